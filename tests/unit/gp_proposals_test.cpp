#include "catch.h"

#include "../../plugins/tuners/drawing.h"
#include "../../plugins/tuners/models/gp.h"

#include <cmath>
#include <string>

using namespace espalier;
using namespace espalier::tuners;

namespace {

Axis range(const std::string& name, double from, double to) { return {.name = name, .from = from, .to = to, .first = from}; }

/// trunk: a with a width, or b with a rate; and a depth.
Space branches() {
  return {{{.name = "trunk", .choices = {"a", "b"}, .first = "a"},
           {.name = "trunk.a.width", .from = 8, .to = 512, .integer = true, .log = true, .first = 8, .parent = "trunk", .parent_values = {"a"}},
           {.name = "trunk.b.rate", .from = 1e-4, .to = 1.0, .log = true, .first = 0.1, .parent = "trunk", .parent_values = {"b"}},
           {.name = "depth", .from = 1, .to = 5, .integer = true, .first = 1}}};
}

bool anything(const Settings&) { return true; }

std::optional<Proposal> propose(const Space& space, const History& history, uint64_t seed, const Feasible& feasible = anything) {
  Random random(derive_seed(seed, history.size()));
  return propose_gp({}, space, history, random, feasible);
}

History play(const Space& space, size_t most, const std::function<double(const Settings&)>& score, uint64_t seed = 1,
             const Feasible& feasible = anything) {
  History out;
  while (out.size() < most) {
    const auto proposal = propose(space, out, seed, feasible);
    if (!proposal) break;
    out.push_back({.number = std::ssize(out), .settings = proposal->settings, .state = TrialState::complete, .objective = score(proposal->settings)});
  }
  return out;
}

double number(const Settings& settings, const std::string& name) { return settings.at(name).get<double>(); }

double bowl(const Settings& s) { return std::pow(number(s, "x") - 0.3, 2) + std::pow(number(s, "y") - 0.6, 2); }

}  // namespace

TEST_CASE("the same space, history and random give the same proposal, another random another") {
  const Space space{{range("x", 0, 1), range("y", 0, 1)}};
  const History history = play(space, 15, bowl);
  CHECK(propose(space, history, 1)->settings == propose(space, history, 1)->settings);
  CHECK(propose(space, history, 1)->reason == propose(space, history, 1)->reason);
  CHECK(propose(space, history, 1)->settings != propose(space, history, 2)->settings);
}

TEST_CASE("of places that promise the same, the one that takes fewer seconds is taken if seconds count") {
  const Space space{{range("x", 0, 1)}};
  const auto wells = [](const Settings& s) { return std::min(std::pow(number(s, "x") - 0.2, 2), std::pow(number(s, "x") - 0.8, 2)); };
  History history;
  for (const double x : {0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0}) {
    const Settings settings{{"x", x}};
    history.push_back({.number = std::ssize(history), .settings = settings, .state = TrialState::complete, .objective = wells(settings)});
  }
  const Feasible slow_to_the_right(anything, [](const Settings& settings) { return number(settings, "x") > 0.5 ? 100.0 : 1.0; });
  int left = 0, left_per_second = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Random random(seed), again(seed);
    left += number(propose_gp({}, space, history, random, slow_to_the_right)->settings, "x") < 0.5 ? 1 : 0;
    left_per_second += number(propose_gp({.startup = 0, .per_second = true}, space, history, again, slow_to_the_right)->settings, "x") < 0.5 ? 1 : 0;
  }
  CHECK(left < 18);
  CHECK(left_per_second >= 19);
}

TEST_CASE("the process comes near to the bottom of a bowl") {
  const Space space{{range("x", 0, 1), range("y", 0, 1)}};
  CHECK(*best_result(play(space, 22, bowl))->objective < 1e-3);
}

TEST_CASE("the ends of a space are reached") {
  const Space space{{range("x", 0, 1), {.name = "y", .from = 8, .to = 1024, .integer = true, .log = true, .first = 8}}};
  const auto corner = [](const Settings& s) { return 2.0 + number(s, "x") - std::log(number(s, "y")) / 10.0; };
  const Settings best = best_result(play(space, 20, corner))->settings;
  CHECK(number(best, "x") == 0.0);
  CHECK(number(best, "y") == 1024.0);
}

TEST_CASE("branches are told apart and each is searched by its own settings") {
  const auto score = [](const Settings& s) {
    const double depth = 0.1 * std::abs(number(s, "depth") - 4.0);
    if (s.at("trunk") == Json("a")) return 1.0 + depth + std::abs(std::log(number(s, "trunk.a.width") / 64.0));
    return depth + std::abs(std::log10(number(s, "trunk.b.rate")) + 2.0);
  };
  const History history = play(branches(), 40, score);
  CHECK(tried_keys(history).size() == 40);
  const Settings best = best_result(history)->settings;
  CHECK(best.at("trunk") == Json("b"));
  CHECK(best.at("depth") == Json(4));
  CHECK(std::abs(std::log10(number(best, "trunk.b.rate")) + 2.0) < 0.1);
}

TEST_CASE("a small space is used up to its last configuration, also under constraints") {
  const Space space{{{.name = "a", .choices = {"p", "q", "r"}, .first = "p"}, {.name = "b", .from = 1, .to = 5, .integer = true, .first = 1}}};
  const auto score = [](const Settings& s) { return number(s, "b"); };
  const auto odd = [](const Settings& s) { return s.at("b").get<int>() % 2 == 1; };
  CHECK(play(space, 100, score).size() == 15);
  const History under = play(space, 100, score, 1, odd);
  CHECK(under.size() == 9);
  for (const Result& result : under) CHECK(odd(result.settings));
}

TEST_CASE("what is infeasible is never proposed, though the best lies beyond it") {
  const Space space{{range("x", 0, 1), range("y", 0, 1)}};
  const auto feasible = [](const Settings& s) { return number(s, "x") + number(s, "y") > 1.2; };
  const History history = play(space, 25, bowl, 1, feasible);
  REQUIRE(history.size() == 25);
  for (const Result& result : history) CHECK(feasible(result.settings));
  CHECK(*best_result(history)->objective == Approx(0.045).margin(0.01));  // the foot of the perpendicular
}

TEST_CASE("pending trials are kept away from") {
  const Space space{{range("x", 0, 1), range("y", 0, 1)}};
  History history = play(space, 14, bowl);
  const auto apart = [](const Settings& a, const Settings& b) {
    return std::hypot(number(a, "x") - number(b, "x"), number(a, "y") - number(b, "y"));
  };
  const Settings first = propose(space, history, 1)->settings;
  History alone = history;
  alone.push_back({.number = 14, .settings = {{"x", 1.0}, {"y", 0.0}}, .state = TrialState::running});
  history.push_back({.number = 14, .settings = first, .state = TrialState::running});
  const double beside = apart(first, propose(space, alone, 1)->settings);
  const double away = apart(first, propose(space, history, 1)->settings);
  CHECK(away > 5.0 * beside);
}

TEST_CASE("histories without a lesson are borne: all equal, all failed, all running") {
  const Space space = branches();
  for (const TrialState state : {TrialState::complete, TrialState::failed, TrialState::running}) {
    History history;
    while (history.size() < 14) {
      const auto proposal = propose(space, history, 3);
      REQUIRE(proposal);
      Result result{.number = std::ssize(history), .settings = proposal->settings, .state = state};
      if (state == TrialState::complete) result.objective = 1.0;
      history.push_back(result);
    }
    CHECK(tried_keys(history).size() == 14);
  }
}

TEST_CASE("long histories are thinned and say from how many trials") {
  const Space space{{range("x", 0, 1), range("y", 0, 1)}};
  History history;
  Random random(23);
  for (int64_t k = 0; k < 320; ++k) {
    const Settings settings{{"x", random.uniform()}, {"y", random.uniform()}};
    history.push_back({.number = k, .settings = settings, .state = TrialState::complete, .objective = bowl(settings)});
  }
  const auto proposal = propose(space, history, 1);
  CHECK(bowl(proposal->settings) < 2e-3);
  CHECK_THAT(proposal->reason, Catch::Contains("GP: expected improvement"));
  CHECK_THAT(proposal->reason, Catch::Contains("from 300 trials"));
}
