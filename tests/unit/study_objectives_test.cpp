#include "espalier/study/weighing.h"

#include "catch.h"
#include "espalier/random.h"
#include "espalier/store/front.h"
#include "espalier/study/log.h"
#include "study_fakes.h"

#include <cmath>
#include <numeric>
#include <set>

using namespace espalier;
using namespace espalier::testing;

namespace {

/// Accuracy is best at x = 3, the loss at x = 0: those between are the front.
Pipeline of_two(int64_t trials, Json behaviours = {"ok"}) {
  Pipeline pipeline = pipeline_with(trials, std::move(behaviours));
  pipeline.search.objectives.push_back({.metric = "val_loss", .maximize = false});
  return pipeline;
}

/// Trials of one point each.
History with(const std::vector<double>& objectives) {
  History out;
  for (const double objective : objectives)
    out.push_back({.number = std::ssize(out), .settings = {}, .state = TrialState::complete, .objective = objective, .fidelity = 3.0,
                   .curve = {{.fidelity = 1.0, .objective = objective + 1.0}, {.fidelity = 3.0, .objective = objective}}});
  return out;
}

std::vector<double> values(const History& history) {
  std::vector<double> out;
  for (const Result& result : history) out.push_back(result.objective.value_or(-1.0));
  return out;
}

}  // namespace

TEST_CASE("weights are tenths that sum to one, and each choice of them is as likely") {
  Random random(3);
  std::map<std::vector<double>, int> seen;
  for (int i = 0; i < 11000; ++i) ++seen[draw_weights(2, random)];
  REQUIRE(seen.size() == 11);
  for (const auto& [weights, count] : seen) {
    CHECK(weights[0] + weights[1] == Approx(1.0));
    CHECK(count > 850);
    CHECK(count < 1150);
  }
  const std::vector<double> three = draw_weights(3, random);
  REQUIRE(three.size() == 3);
  CHECK(std::accumulate(three.begin(), three.end(), 0.0) == Approx(1.0));
  CHECK(draw_weights(1, random) == std::vector<double>{1.0});
}

TEST_CASE("objectives are weighed between the best value and the worst on the front") {
  // On the front: (0, 100), (1, 50), (2, 0); the last trial went astray and stretches no scale.
  const std::vector<History> histories = {with({0, 1, 2, 1e9}), with({100, 50, 0, 100})};
  CHECK(values(weighed_by({1.0, 0.0}, histories))[1] == Approx(0.5 * 1.05));
  const History even = weighed_by({0.5, 0.5}, histories);
  CHECK(*even[0].objective == Approx(0.5 + 0.05 * 0.5));
  CHECK(*even[1].objective == Approx(0.25 + 0.05 * 0.5));
  CHECK(*even[0].objective == Approx(*even[2].objective));
  CHECK(*even[3].objective > 1e6);
  // Curves are weighed by the same measure, and end at the objective.
  REQUIRE(even[1].curve.size() == 2);
  CHECK(even[1].curve[0].objective == Approx(0.5 + 0.05 * (0.5 + 0.255)));
  CHECK(even[1].curve[1].objective == *even[1].objective);
  CHECK(even[1].fidelity == 3.0);
}

TEST_CASE("a front of one value is measured by all of them") {
  const History weighed = weighed_by({0.5, 0.5}, {with({0, 4, 2}), with({5, 5, 5})});
  CHECK(*weighed[0].objective == 0.0);
  CHECK(*weighed[1].objective == Approx(0.5 * 1.05));
  CHECK(*weighed[2].objective == Approx(0.25 * 1.05));
}

TEST_CASE("a trial that lacks an objective has none when all are weighed") {
  std::vector<History> histories = {with({0, 1, 2}), with({2, 1, 0})};
  histories[1][0].objective.reset();
  histories[1][2].curve.pop_back();
  const History weighed = weighed_by({0.5, 0.5}, histories);
  CHECK_FALSE(weighed[0].objective);
  CHECK(weighed[0].curve.empty());
  CHECK(weighed[1].objective);
  CHECK_FALSE(weighed[2].objective);
  CHECK(weighed_by({0.5, 0.5}, {with({}), with({})}).empty());
}

TEST_CASE("one objective is not weighed") {
  const Weighed weighed = weigh({with({3, 1})}, {{.metric = "val_loss", .maximize = false}}, 5);
  CHECK(values(weighed.history) == std::vector<double>{3, 1});
  CHECK(weighed.reason.empty());
}

TEST_CASE("weights change from trial to trial and are the same whenever it is decided") {
  const std::vector<Objective> objectives = {{.metric = "val_accuracy"}, {.metric = "parameters", .maximize = false}};
  std::set<std::string> reasons;
  for (size_t trials = 1; trials < 30; ++trials) {
    const std::vector<History> histories(2, with(std::vector<double>(trials, 1.0)));
    const Weighed weighed = weigh(histories, objectives, 5);
    CHECK(weighed.reason == weigh(histories, objectives, 5).reason);
    reasons.insert(weighed.reason);
  }
  CHECK(reasons.size() > 5);
  CHECK(reasons.contains("; weights 0.5 val_accuracy, 0.5 parameters"));
}

TEST_CASE("a study of two objectives keeps both with each decision, and its best is best in the first") {
  const TemporaryFolder folder;
  Watcher watcher;
  const StudyResult result = run(of_two(100), folder.path(), watcher);
  CHECK(result.best->settings.at("x") == 3);
  const auto store = open_sqlite(folder.path() / "study.db");
  const auto trials = store->trials();
  REQUIRE(trials.size() == 8);
  std::set<int64_t> front;
  for (const TrialRecord& trial : trials)
    if (trial.settings.at("x") <= 3) front.insert(trial.number);
  CHECK(front_of(trials, {{"val_accuracy", true}, {"val_loss", false}}) == front);
  for (const Decision& decision : store->decisions()) CHECK(decision.scores == store->trial(decision.trial)->scores);
  // What the pipeline gives is not weighed, what a tuner says is, and says by what.
  CHECK(trials[0].reason == "the first configuration");
  for (size_t i = 1; i < trials.size(); ++i) CHECK_THAT(trials[i].reason, Catch::Contains("drawn; weights "));
  CHECK(store->info("objective")->at("others")[0]["metric"] == "val_loss");
}

TEST_CASE("tuners see weighed objectives, schedulers the first one") {
  Pipeline pipeline = of_two(100);
  const std::vector<Decision> decisions = {
      {.number = 0, .trial = 0, .ended = 0, .state = TrialState::complete, .epochs = 3.0, .objective = 0.5, .scores = {{"val_loss", 2.0}}},
      {.number = 1, .trial = 1, .ended = 1, .state = TrialState::complete, .epochs = 3.0, .objective = 0.25, .scores = {{"val_loss", 1.0}}},
      {.number = 2, .trial = 2}};
  const auto store = open_memory();
  for (const Decision& decision : decisions) {
    const NewTrial trial{.settings = {{"x", decision.trial}}, .reason = "", .document = Json::object()};
    REQUIRE(store->decide(decision, &trial) == decision.trial);
    if (decision.ended >= 0)
      store->complete(*store->claim("test", 60.0), {{"val_accuracy", *decision.objective}, {"val_loss", decision.scores.at("val_loss")}},
                      decision.objective, 1.0);
  }
  Log log;
  log.refresh(*store);
  const std::vector<History> histories = log.histories(pipeline.search.objectives, [](const Decision&) { return true; });
  REQUIRE(histories.size() == 2);
  CHECK(histories[0][0].objective == -0.5);
  CHECK(histories[1][0].objective == 2.0);
  CHECK(histories[1][1].curve.back().objective == 1.0);
  for (const History& history : histories) {
    CHECK(history[2].state == TrialState::running);
    CHECK_FALSE(history[2].objective);
  }
  // A decision that is not seen yet tells nothing of any objective.
  const auto early = log.histories(pipeline.search.objectives, [](const Decision& decision) { return decision.number < 1; });
  CHECK_FALSE(early[1][1].objective);
}

TEST_CASE("a study of two objectives that is interrupted ends as if it had not been") {
  const TemporaryFolder folder;
  Pipeline pipeline = of_two(6);
  pipeline.search.scheduler = "asha";
  pipeline.search.scheduler_settings = {{"eta", 2.0}, {"min", 1.0}};
  Watcher watcher;
  run(pipeline, folder.path() / "whole", watcher);
  for (const int64_t epoch : {2, 5, 8}) {
    INFO(epoch);
    const auto cut = folder.path() / std::to_string(epoch);
    Watcher stopper;
    stopper.interrupt_at_epoch = epoch;
    CHECK(run(pipeline, cut, stopper).end == StudyEnd::interrupted);
    run(pipeline, cut, watcher);
    CHECK(outcome(cut).dump() == outcome(folder.path() / "whole").dump());
  }
}

TEST_CASE("schedulers see fronts: a better one first, and equal weights within") {
  // At the end (0, 9), (1, 5), (5, 1) are the front, then (2, 6) and (6, 2), then (7, 7).
  const std::vector<History> histories = {with({7, 0, 2, 6, 1, 5}), with({7, 9, 6, 2, 5, 1})};
  const History sorted = sorted_by_fronts(histories);
  const auto value = [&](size_t trial) { return *sorted[trial].objective; };
  for (const size_t first : {1, 4, 5})
    for (const size_t second : {2, 3}) {
      CHECK(value(first) < value(second));
      CHECK(value(second) < value(0));
    }
  CHECK(value(4) < value(1));  // in the middle of the front
  REQUIRE(sorted[2].curve.size() == 2);
  CHECK(sorted[2].curve[1].objective == value(2));
  CHECK(std::floor(sorted[2].curve[0].objective) == 1.0);
  CHECK(values(sorted_by_fronts({with({3, 1})})) == std::vector<double>{3, 1});
}

TEST_CASE("a scheduler goes on with what is good in either objective") {
  const TemporaryFolder folder;
  Pipeline pipeline = of_two(8);
  pipeline.resolved["train"]["epochs"] = 8;
  pipeline.search.scheduler = "asha";
  pipeline.search.scheduler_settings = {{"eta", 2.0}, {"min", 1.0}};
  // The best loss of all, with one of the worst accuracies.
  const auto epochs_of_least_loss = [&](const std::filesystem::path& study) {
    const auto trials = open_sqlite(study / "study.db")->trials();
    return std::ranges::find_if(trials, [](const TrialRecord& trial) { return trial.settings.at("x") == 0; })->epochs;
  };
  Watcher watcher;
  run(pipeline, folder.path() / "two", watcher);
  pipeline.search.objectives.pop_back();
  run(pipeline, folder.path() / "one", watcher);
  CHECK(epochs_of_least_loss(folder.path() / "two") > epochs_of_least_loss(folder.path() / "one"));
}
