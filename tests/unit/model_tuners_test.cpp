#include "catch.h"
#include "espalier/tuner.h"

#include "../../plugins/tuners/models/evolution.h"
#include "../../plugins/tuners/models/local_search.h"
#include "../../plugins/tuners/models/quasi_random.h"
#include "../../plugins/tuners/models/tpe.h"

#include <algorithm>
#include <cmath>
#include <set>

using namespace espalier;
using namespace espalier::tuners;

namespace {

bool anything(const Settings&) { return true; }

Space square() {
  return {{{.name = "x", .from = 0.0, .to = 1.0, .first = 0.5}, {.name = "y", .from = 0.0, .to = 1.0, .first = 0.5}}};
}

double number(const Settings& settings, const std::string& name) { return settings.at(name).get<double>(); }

double bowl(const Settings& settings) { return std::hypot(number(settings, "x") - 0.3, number(settings, "y") - 0.8); }

using Propose = std::function<std::optional<Proposal>(const Space&, const History&, Random&, const Feasible&)>;

std::optional<Proposal> tpe(const Space& space, const History& history, Random& random, const Feasible& feasible) {
  return propose_tpe({}, space, history, random, feasible);
}

History play(const Propose& propose, const Space& space, int64_t trials, uint64_t seed, const std::function<double(const Settings&)>& score,
             const Feasible& feasible = anything) {
  History history;
  for (int64_t i = 0; i < trials; ++i) {
    Random random(derive_seed(seed, static_cast<uint64_t>(i)));
    const auto proposal = propose(space, history, random, feasible);
    if (!proposal) break;
    history.push_back({.number = i, .settings = proposal->settings, .state = TrialState::complete, .objective = score(proposal->settings)});
  }
  return history;
}

double best(const History& history) { return *std::ranges::min_element(history, {}, &Result::objective)->objective; }

/// Three settings of five values.
Space cube() {
  Space space;
  for (const std::string name : {"a", "b", "c"}) space.axes.push_back({.name = name, .choices = {0, 1, 2, 3, 4}, .ordered = true, .first = 0});
  return space;
}

double far_from_corner(const Settings& settings) { return 12.0 - number(settings, "a") - number(settings, "b") - number(settings, "c"); }

int differences(const Settings& a, const Settings& b) {
  return static_cast<int>(std::ranges::count_if(a, [&](const auto& entry) { return !b.contains(entry.first) || b.at(entry.first) != entry.second; }));
}

}  // namespace

TEST_CASE("TPE finds the bottom of a bowl") {
  for (uint64_t seed = 0; seed < 5; ++seed) CHECK(best(play(tpe, square(), 60, seed, bowl)) < 0.03);
}

TEST_CASE("TPE says what it chose from") {
  const History history = play(tpe, square(), 20, 1, bowl);
  Random random(3);
  const auto proposal = tpe(square(), history, random, anything);
  CHECK(proposal->reason.starts_with("TPE: best of 24 candidates, log ratio "));
  CHECK(proposal->reason.ends_with(", from 20 trials"));
  CHECK(tpe(square(), {}, random, anything)->reason == "point 0 of the Sobol sequence");
}

TEST_CASE("what is pending repels TPE") {
  const Space line{{{.name = "x", .from = 0.0, .to = 1.0, .first = 0.5}}};
  History history;
  for (int64_t i = 0; i < 40; ++i) {
    const double x = (static_cast<double>(i) + 0.5) / 40.0;
    history.push_back({.number = i, .settings = {{"x", x}}, .state = TrialState::complete, .objective = std::abs(x - 0.3)});
  }
  const auto proposals_at_the_best = [&] {
    int near = 0;
    for (uint64_t seed = 0; seed < 200; ++seed) {
      Random random(seed);
      near += std::abs(number(tpe(line, history, random, anything)->settings, "x") - 0.3) < 0.02 ? 1 : 0;
    }
    return near;
  };
  const int alone = proposals_at_the_best();
  for (int64_t i = 0; i < 10; ++i)
    history.push_back({.number = 40 + i, .settings = {{"x", 0.295 + 0.001 * static_cast<double>(i)}}, .state = TrialState::running});
  CHECK(proposals_at_the_best() < alone / 2);
}

TEST_CASE("TPE drops what is infeasible before it chooses") {
  const auto left = [](const Settings& settings) { return number(settings, "x") < 0.2; };
  const History history = play(tpe, square(), 60, 4, bowl, left);
  REQUIRE(history.size() == 60);
  for (const Result& result : history) CHECK(left(result.settings));
  CHECK(best(history) < 0.13);
}

TEST_CASE("TPE goes where a branch is good, and then to what is good in it") {
  const Space space{{{.name = "branch", .choices = {"a", "b"}, .first = "a"},
                     {.name = "x", .from = 0.0, .to = 1.0, .first = 0.5, .parent = "branch", .parent_values = {"a"}},
                     {.name = "y", .from = 0.0, .to = 1.0, .first = 0.5, .parent = "branch", .parent_values = {"b"}}}};
  const auto score = [](const Settings& settings) {
    return settings.at("branch") == "a" ? 1.0 + number(settings, "x") : std::abs(number(settings, "y") - 0.7);
  };
  const History history = play(tpe, space, 60, 2, score);
  const auto in_b = std::ranges::count_if(history, [](const Result& r) { return r.settings.at("branch") == "b"; });
  CHECK(in_b > 35);
  CHECK(best(history) < 0.01);
}

TEST_CASE("Sobol points fill a square more evenly than chance, and go on where the history ends") {
  const History history = play(propose_quasi_random, square(), 64, 1, bowl);
  std::set<std::pair<int, int>> squares;
  for (const Result& result : history)
    squares.insert({static_cast<int>(number(result.settings, "x") * 8.0), static_cast<int>(number(result.settings, "y") * 8.0)});
  CHECK(squares.size() == 64);
  Space other = square();
  other.seed = 1;
  CHECK(play(propose_quasi_random, other, 1, 1, bowl)[0].settings != history[0].settings);
}

TEST_CASE("evolution changes one setting of a living trial") {
  const auto evolve = [](const Space& space, const History& seen, Random& random, const Feasible& feasible) {
    return propose_evolution({.population = 8, .sample = 3}, space, seen, random, feasible);
  };
  const History history = play(evolve, cube(), 40, 3, far_from_corner);
  for (size_t i = 8; i < history.size(); ++i) {
    const bool has_parent = std::any_of(history.begin() + static_cast<std::ptrdiff_t>(i - 8), history.begin() + static_cast<std::ptrdiff_t>(i),
                                        [&](const Result& r) { return differences(r.settings, history[i].settings) == 1; });
    CHECK(has_parent);
  }
  CHECK(best(history) <= 1.0);
  Random random(1);
  CHECK(evolve(cube(), history, random, anything)->reason.starts_with("mutated "));
}

TEST_CASE("local search goes down by one setting at a time and starts anew at the bottom") {
  const auto descend = [](const Space& space, const History& seen, Random& random, const Feasible& feasible) {
    return propose_local_search({.starts = 4}, space, seen, random, feasible);
  };
  const History history = play(descend, cube(), 80, 5, far_from_corner);
  REQUIRE(history.size() == 80);
  CHECK(best(history) == 0.0);
  size_t bottom = 0;
  while (*history[bottom].objective > 0.0) ++bottom;
  // A step to a better neighbour, of each at most twelve are tried: the way from any start is no longer than that.
  CHECK(bottom < 60);
  size_t current = 0;
  for (size_t i = 1; i < 4; ++i)
    if (*history[i].objective < *history[current].objective) current = i;
  for (size_t i = 4; i <= bottom; ++i) {
    CHECK(differences(history[current].settings, history[i].settings) == 1);
    if (*history[i].objective < *history[current].objective) current = i;
  }
  Random random(2);
  const History start(history.begin(), history.begin() + 4);
  CHECK(descend(cube(), start, random, anything)->reason.starts_with("neighbour of trial "));
  // The 125 configurations are used up by descents from elsewhere.
  CHECK(play(descend, cube(), 200, 5, far_from_corner).size() == 125);
}

TEST_CASE("models learn from paused trials, and failed ones count as the worst") {
  History history;
  for (int64_t i = 0; i < 30; ++i) {
    const double x = (static_cast<double>(i) + 0.5) / 30.0;
    Result result{.number = i, .settings = {{"x", x}, {"y", 0.5}}, .state = TrialState::paused, .fidelity = 1.0};
    result.curve = {{.fidelity = 1.0, .objective = x}};
    if (i < 5) result.state = TrialState::failed;
    history.push_back(result);
  }
  // The best end has failed: proposals come from beside it.
  double sum = 0.0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Random random(seed);
    sum += number(tpe(square(), history, random, anything)->settings, "x") / 50.0;
  }
  CHECK(sum > 0.15);
  CHECK(sum < 0.5);
}
