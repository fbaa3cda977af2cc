#include "catch.h"

#include "models/portfolio.h"

#include <cmath>
#include <map>
#include <set>

using namespace espalier;
using namespace espalier::tuners;

namespace {

const Feasible anything = [](const Settings&) { return true; };

/// Three families, each with numbers of its own.
Space families() {
  Space space;
  space.axes.push_back({.name = "family", .choices = {"a", "b", "c"}, .first = "a"});
  for (const char* family : {"a", "b", "c"})
    for (int i = 0; i < 2; ++i)
      space.axes.push_back({.name = std::string("family.") + family + ".x" + std::to_string(i), .from = 0.0, .to = 1.0, .first = 0.5,
                            .parent = "family", .parent_values = {family}});
  return space;
}

/// Family a gives 0.2 almost everywhere; b hides 0 in a narrow valley; c is bad.
double objective(const Settings& settings) {
  const std::string family = settings.at("family").get<std::string>();
  const double x = settings.at("family." + family + ".x0").get<double>(), y = settings.at("family." + family + ".x1").get<double>();
  const double distance = std::pow(x - 0.13, 2) + std::pow(y - 0.81, 2);
  if (family == "a") return 0.2 + 0.05 * distance;
  return family == "b" ? std::min(1.0, 4.0 * std::sqrt(distance)) : 2.0 + distance;
}

/// Follows the portfolio for so many trials; the reasons it gave.
std::vector<std::string> follow(const Space& space, History& history, int trials, uint64_t seed, const Feasible& feasible = anything) {
  std::vector<std::string> reasons;
  for (int i = 0; i < trials; ++i) {
    Random random(derive_seed(seed, static_cast<uint64_t>(history.size())));
    const auto proposal = propose_portfolio({}, space, history, random, feasible);
    if (!proposal) break;
    reasons.push_back(proposal->reason);
    history.push_back({.number = std::ssize(history), .settings = proposal->settings, .state = TrialState::complete,
                       .objective = objective(proposal->settings), .fidelity = 1.0});
  }
  return reasons;
}

}  // namespace

TEST_CASE("the defaults of every branch come first, and each proposal says why") {
  History history;
  const auto reasons = follow(families(), history, 12, 1);
  CHECK(reasons.at(0) == "the first configuration");
  CHECK(reasons.at(1) == "the defaults of family=\"b\"");
  CHECK(reasons.at(2) == "the defaults of family=\"c\"");
  CHECK(history[2].settings == Settings{{"family", "c"}, {"family.c.x0", 0.5}, {"family.c.x1", 0.5}});
  for (const std::string& reason : reasons) CHECK_FALSE(reason.empty());
}

TEST_CASE("a branch that needs tuning is tuned though another one is good at once") {
  int found = 0;
  for (uint64_t seed = 0; seed < 5; ++seed) {
    History history;
    follow(families(), history, 100, seed);
    double best = INFINITY;
    for (const Result& result : history) best = std::min(best, *result.objective);
    if (best < 0.15) ++found;
  }
  CHECK(found >= 4);
}

TEST_CASE("the portfolio is a pure function, and what is infeasible is never proposed") {
  const Feasible low = [](const Settings& settings) { return settings.at("family") != "c"; };
  History history, again;
  follow(families(), history, 15, 3, low);
  follow(families(), again, 15, 3, low);
  REQUIRE(history.size() == 15);
  for (size_t i = 0; i < history.size(); ++i) {
    CHECK(history[i].settings == again[i].settings);
    CHECK(history[i].settings.at("family") != "c");
  }
}

TEST_CASE("many trials are proposed in bounded time by what does not grow with their cube") {
  History history;
  Random random(1);
  const Space space = families();
  for (int i = 0; i < 400; ++i) {
    const Settings settings = complete(space, {}, [&](const Axis& axis) { return draw(axis, random); });
    history.push_back({.number = i, .settings = settings, .state = TrialState::complete, .objective = objective(settings), .fidelity = 1.0});
  }
  std::set<std::string> methods;
  for (int i = 0; i < 4; ++i) {
    Random draw(static_cast<uint64_t>(i));
    history.push_back({.number = std::ssize(history), .state = TrialState::complete, .objective = 1.0});
    history.back().settings = propose_portfolio({}, space, history, draw, anything)->settings;
    methods.insert(propose_portfolio({}, space, history, draw, anything)->reason.substr(0, 3));
  }
  CHECK(methods == std::set<std::string>{"TPE", "tri"});
}
