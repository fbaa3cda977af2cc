#include "espalier/importance/importance.h"

#include "catch.h"
#include "espalier/importance/bins.h"
#include "espalier/importance/from_store.h"
#include "espalier/random.h"

#include <cmath>
#include <map>

using namespace espalier;

namespace {

const AxisImportance& axis(const Importance& found, const std::string& name) {
  for (const AxisImportance& one : found.axes)
    if (one.name == name) return one;
  throw std::runtime_error("no axis " + name);
}

/// A made function: `strong` weighs ten times as much as `weak`, `idle` and `words` do nothing.
std::vector<Observation> made_up(int64_t trials, uint64_t seed) {
  Random random(seed);
  std::vector<Observation> out;
  for (int64_t k = 0; k < trials; ++k) {
    const double strong = random.uniform();
    const double weak = random.uniform();
    const char* words[] = {"a", "b", "c"};
    Settings settings = {{"strong", strong}, {"weak", weak}, {"idle", random.uniform()}, {"words", words[random.below(3)]}};
    out.push_back({std::move(settings), 10.0 * (strong - 0.3) * (strong - 0.3) + (weak - 0.6) * (weak - 0.6)});
  }
  return out;
}

}  // namespace

TEST_CASE("importance puts the settings of a made function in their order") {
  for (const int64_t trials : {100, 200, 1000}) {
    const Importance found = importance(made_up(trials, 11));
    INFO("trials " << trials);
    REQUIRE(found.axes.size() == 4);
    CHECK(found.trials == trials);
    CHECK(found.axes[0].name == "strong");
    CHECK(found.axes[0].by_chance <= 0.01);
    CHECK(axis(found, "idle").by_chance > 0.05);
    CHECK(axis(found, "words").by_chance > 0.05);
    CHECK(axis(found, "idle").share < 0.1);
    if (trials == 1000) {
      CHECK(found.axes[1].name == "weak");
      CHECK(axis(found, "weak").by_chance <= 0.01);
    }
    double sum = 0.0;
    for (const AxisImportance& one : found.axes) sum += one.share;
    CHECK(sum == Approx(1.0));
    // The best lies at .3, and that is where the best trials are said to be.
    REQUIRE(found.axes[0].favoured.size() == 2);
    CHECK(found.axes[0].favoured[0].get<double>() < 0.3);
    CHECK(found.axes[0].favoured[1].get<double>() > 0.3);
  }
}

TEST_CASE("over many small studies the order is right, and chance is told apart as seldom as its level says") {
  int64_t first = 0;
  int64_t told = 0;
  const int64_t studies = 200;
  for (int64_t k = 0; k < studies; ++k) {
    const Importance found = importance(made_up(40, 1000 + static_cast<uint64_t>(k)));
    if (found.axes[0].name == "strong") ++first;
    if (axis(found, "idle").by_chance <= 0.05) ++told;
  }
  CHECK(first >= 180);
  // 10 of 200 are expected; 24 and more come by chance in less than one of 10,000.
  CHECK(told < 24);
}

TEST_CASE("a setting that decides everything explains all of it") {
  std::vector<Observation> observations;
  for (int64_t k = 0; k < 100; ++k) observations.push_back({{{"block", k % 10 == 0 ? "good" : "bad"}}, k % 10 == 0 ? 0.1 : 0.9});
  const Importance found = importance(observations);
  CHECK(found.best == 10);
  CHECK(found.axes[0].explained == Approx(1.0));
  CHECK(found.axes[0].share == Approx(1.0));
  CHECK(found.axes[0].favoured == std::vector<Json>{"good"});
}

TEST_CASE("the scale of a setting does not matter, its order does") {
  std::vector<Observation> plain = made_up(200, 3);
  std::vector<Observation> powers = plain;
  for (Observation& one : powers) one.settings["strong"] = std::pow(10.0, -6.0 * one.settings["strong"].get<double>());
  CHECK(axis(importance(plain), "strong").explained == Approx(axis(importance(powers), "strong").explained).margin(0.1));
}

TEST_CASE("a conditional setting is judged among the trials in which it is active") {
  // Below `a` depth decides, and every trial of `b` is better than any of `a`: judged among all, depth would seem idle.
  Random random(5);
  std::vector<Observation> observations;
  for (int64_t k = 0; k < 200; ++k) {
    const bool is_a = k % 2 == 0;
    const double depth = random.uniform();
    if (is_a) observations.push_back({{{"block", "a"}, {"a.depth", depth}}, 1.0 + depth});
    else observations.push_back({{{"block", "b"}, {"b.width", random.uniform()}}, random.uniform()});
  }
  const Importance found = importance(observations);
  CHECK(axis(found, "a.depth").trials == 100);
  CHECK(axis(found, "a.depth").by_chance <= 0.01);
  CHECK(axis(found, "a.depth").explained > 0.3);
  CHECK(axis(found, "b.width").by_chance > 0.05);
  CHECK(axis(found, "block").by_chance <= 0.01);
  CHECK(axis(found, "block").favoured == std::vector<Json>{"b"});
}

TEST_CASE("too few trials, one value and equal objectives are said, not judged") {
  CHECK(importance({}).axes.empty());
  const Importance few = importance(made_up(12, 4));
  REQUIRE_FALSE(few.warnings.empty());
  CHECK(few.warnings[0].find("rests on 12 trials") != std::string::npos);
  std::vector<Observation> same;
  for (int64_t k = 0; k < 40; ++k) same.push_back({{{"fixed", 1}, {"moves", k}}, 0.5});
  const Importance found = importance(same);
  CHECK_FALSE(axis(found, "fixed").judged);
  CHECK_FALSE(axis(found, "moves").judged);
  CHECK(found.warnings.back() == "no setting stands out from chance");
  same[3].objective = std::nan("");
  CHECK(importance(same).trials == 39);
}

TEST_CASE("numbers fall into bins of about equal size, equal ones together") {
  std::vector<Json> values;
  for (int64_t k = 0; k < 1000; ++k) values.emplace_back(static_cast<double>(k));
  const Bins bins = make_bins(values);
  REQUIRE(bins.count.size() == 10);
  CHECK(bins.count[0] == 100);
  CHECK(bins.ends[1] == std::vector<Json>{100.0, 199.0});
  CHECK(make_bins({16, 32, 32, 64}).count == std::vector<int64_t>{1, 2, 1});
  CHECK(make_bins({true, "x", true}).count == std::vector<int64_t>{2, 1});
  // Many zeros fill bins of their own and leave the rest to the others.
  std::vector<Json> zeros(900, 0.0);
  for (int64_t k = 1; k <= 100; ++k) zeros.emplace_back(static_cast<double>(k));
  CHECK(make_bins(zeros).count[0] == 900);
}

TEST_CASE("trials that were stopped early stand behind those that went on") {
  History history;
  for (int64_t k = 0; k < 6; ++k) {
    Result result{.number = k, .settings = {{"x", k}}, .state = TrialState::paused, .objective = 0.5, .fidelity = k < 3 ? 1.0 : 3.0};
    history.push_back(result);
  }
  history[0].objective = 0.1;               // better than all, but after one epoch
  history[4].objective = 0.4;
  history[5].state = TrialState::complete;  // ended by itself, early
  history[5].fidelity = 2.0;
  history.push_back({.number = 6, .settings = {{"x", 6}}, .state = TrialState::running, .objective = 0.0});
  history.push_back({.number = 7, .settings = {{"x", 7}}, .state = TrialState::failed, .objective = 0.0});
  std::vector<int64_t> order;
  std::vector<double> places;
  for (const Observation& one : ranked(history)) {
    order.push_back(one.settings.at("x").get<int64_t>());
    places.push_back(one.objective);
  }
  CHECK(order == std::vector<int64_t>{5, 4, 3, 0, 1, 2});
  CHECK(places == std::vector<double>{0, 1, 2, 3, 4, 4});
}

TEST_CASE("the importance of a study is read from its store") {
  const auto store = open_memory();
  for (int64_t k = 0; k < 20; ++k) store->add({{"x", k % 2}, {"y", k % 3}}, "drawn", Json::object());
  for (int64_t k = 0; k < 20; ++k) {
    const Lease lease = *store->claim("test", 60.0);
    if (k == 19) store->fail(lease, "nan", "", 1.0);
    else store->complete(lease, {}, k % 2 == 0 ? 0.9 : 0.1, 1.0);
  }
  const Json found = to_json(importance(store->trials(), true));
  CHECK(found["trials"] == 19);
  CHECK(found["axes"][0]["name"] == "x");
  CHECK(found["axes"][0]["favoured"] == Json::array({0.0}));
}
