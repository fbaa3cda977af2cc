#include "simulation.h"

#include "catch.h"

#include <algorithm>

using namespace espalier;
using namespace espalier::bench;

namespace {

/// Ten steps; a configuration n reaches 100 - n less its steps, but 7 diverges at its third.
Task numbered_task() {
  Task task{.name = "numbered", .space = {{{.name = "n", .from = 0, .to = 99, .integer = true}}}};
  task.costs.clear();
  for (int step = 1; step <= 10; ++step) task.costs.push_back(step / 10.0);
  task.objective = [](const Settings& settings, size_t step, uint64_t) -> std::optional<double> {
    const double number = settings.at("n").get<double>();
    if (number == 7.0 && step == 3) return std::nullopt;
    return 100.0 - number - static_cast<double>(step);
  };
  return task;
}

/// Proposes 0, 1, 2, ...
TunerType counting() {
  const auto propose = [](const Json&, const Space&, const History& history, Random&, const Feasible&) {
    return std::optional(Proposal{.settings = {{"n", std::ssize(history)}}, .reason = ""});
  };
  return {.name = "counting", .doc = "", .declaration = {}, .propose = propose};
}

SchedulerType scheduler_of(const std::function<Step(const History&)>& next) {
  const auto checked = [next](const Json&, double full, const History& history, Random&) {
    REQUIRE(full == 10.0);
    return next(history);
  };
  return {.name = "made", .doc = "", .declaration = {}, .next = checked};
}

struct Run {
  Task task = numbered_task();
  TunerType tuner = counting();
  Simulation operator()(const std::function<Step(const History&)>& next, size_t workers,
                        const std::vector<double>& checkpoints) const {
    const SchedulerType scheduler = scheduler_of(next);
    return simulate(task, {"counting", &tuner}, {"made", &scheduler},
                    {.workers = workers, .checkpoints = checkpoints, .seed = 0, .tries_first = false});
  }
};

Step start(double until = 0.0) { return {.kind = Step::Kind::start, .until = until}; }

}  // namespace

TEST_CASE("a budget of whole trainings is used up by so many", "[simulation]") {
  const Simulation one = Run()([](const History&) { return start(); }, 1, {3.0, 5.0});
  CHECK(one.complete == 5);
  CHECK(one.incumbent == std::vector<double>{100.0 - 2 - 10, 100.0 - 4 - 10});
  const Simulation four = Run()([](const History&) { return start(); }, 4, {4.0});
  CHECK(four.complete == 4);
  CHECK(four.incumbent == std::vector<double>{100.0 - 3 - 10});
}

TEST_CASE("going on costs only what is new", "[simulation]") {
  const auto next = [](const History& history) -> Step {
    for (const Result& result : history)
      if (result.state == TrialState::paused)
        return {.kind = Step::Kind::resume, .trial = result.number, .until = result.fidelity + 2};
    return start(2);
  };
  const Simulation out = Run()(next, 1, {0.2, 1.0, 2.0});
  CHECK(out.complete == 2);
  CHECK(out.trials == 3);  // the third has begun
}

TEST_CASE("a training that diverges has failed and is no incumbent", "[simulation]") {
  size_t failed = 0;
  const auto next = [&](const History& history) {
    for (const Result& result : history) failed += result.state == TrialState::failed ? 1 : 0;
    return start();
  };
  const Simulation out = Run()(next, 1, {7.0, 7.3, 8.3});
  CHECK(out.incumbent == std::vector<double>{100.0 - 6 - 10, 100.0 - 6 - 10, 100.0 - 8 - 10});
  CHECK(failed > 0);
}

TEST_CASE("schedulers see running trials and their curves", "[simulation]") {
  size_t most_running = 0;
  const auto next = [&](const History& history) -> Step {
    const auto running = static_cast<size_t>(std::ranges::count(history, TrialState::running, &Result::state));
    most_running = std::max(most_running, running);
    for (const Result& result : history) CHECK(static_cast<double>(result.curve.size()) == result.fidelity);
    return history.size() < 3 ? start() : Step{.kind = Step::Kind::wait};
  };
  const Simulation out = Run()(next, 4, {4.0});
  CHECK(out.trials == 3);
  CHECK(most_running == 3);
}

TEST_CASE("steps that cannot be made are refused", "[simulation]") {
  const Run run;
  const auto unknown = [](const History&) { return Step{.kind = Step::Kind::resume, .trial = 5}; };
  CHECK_THROWS_WITH(run(unknown, 1, {1.0}), Catch::Contains("not paused"));
  const auto backwards = [](const History& history) {
    return history.empty() ? start(4) : Step{.kind = Step::Kind::resume, .trial = 0, .until = 4};
  };
  CHECK_THROWS_WITH(run(backwards, 1, {1.0}), Catch::Contains("which it has reached"));
}
