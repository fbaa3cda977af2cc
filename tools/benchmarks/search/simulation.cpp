#include "simulation.h"

#include "espalier/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace espalier::bench {

namespace {

constexpr double kSlack = 1e-9;  // sums of costs are not exact
constexpr double kForever = std::numeric_limits<double>::infinity();

/// The end of one step of one running trial.
struct Event {
  double time = 0.0;
  int64_t trial = 0;
  size_t until = 0;  ///< the step at which it pauses
  auto operator<=>(const Event&) const = default;
};

class Study {
 public:
  Study(const Task& task, const Player& player, const Conductor& conductor, const SimulationOptions& options)
      : task_(task), conductor_(conductor), options_(options), decider_(task, player, options.seed, options.tries_first) {}

  Simulation run() {
    Simulation out;
    const auto workers = static_cast<double>(options_.workers);
    assign();
    for (const double checkpoint : options_.checkpoints) {
      while (!events_.empty() && events_.begin()->time <= checkpoint / workers + kSlack) {
        const Event event = *events_.begin();
        events_.erase(events_.begin());
        now_ = event.time;
        finish_step(event);
        assign();
      }
      out.incumbent.push_back(incumbent_end());
    }
    out.trials = history_.size();
    out.complete = static_cast<size_t>(std::ranges::count(history_, TrialState::complete, &Result::state));
    return out;
  }

 private:
  size_t steps() const { return task_.costs.size(); }
  size_t step_of(const Result& result) const { return static_cast<size_t>(std::lround(result.fidelity)); }
  double cost_until(size_t step) const { return step == 0 ? 0.0 : task_.costs[step - 1]; }

  /// Gives every free worker something to do, as far as the scheduler has something.
  void assign() {
    while (!over_ && events_.size() < options_.workers) {
      Random random(derive_seed(derive_seed(options_.seed, "scheduler"), decisions_++));
      const Step step = conductor_.scheduler->next(conductor_.settings, static_cast<double>(steps()), history_, random);
      if (step.kind == Step::Kind::wait && !events_.empty()) return;
      // What waits while nothing runs waits for ever.
      if (step.kind == Step::Kind::wait || step.kind == Step::Kind::finished || !begin(step)) over_ = true;
    }
  }

  /// False if there is nothing left to try.
  bool begin(const Step& step) {
    if (step.kind == Step::Kind::start) {
      const std::optional<Proposal> proposal = decider_.next(history_);
      if (!proposal) return false;
      history_.push_back({.number = std::ssize(history_), .settings = proposal->settings, .state = TrialState::running});
      schedule(history_.back(), step.until);
      return true;
    }
    require(step.kind == Step::Kind::resume, "E4010", fmt::format("scheduler '{}' branches off trials, which is not simulated", conductor_.label));
    const bool is_there = step.trial >= 0 && step.trial < std::ssize(history_);
    require(is_there && history_[static_cast<size_t>(step.trial)].state == TrialState::paused, "E4010",
            fmt::format("scheduler '{}' resumes trial {}, which is not paused", conductor_.label, step.trial));
    Result& result = history_[static_cast<size_t>(step.trial)];
    result.state = TrialState::running;
    schedule(result, step.until);
    return true;
  }

  void schedule(const Result& result, double until) {
    const auto whole = static_cast<double>(steps());
    const double target = until <= 0.0 ? whole : std::min(std::ceil(until), whole);
    require(target > result.fidelity, "E4010",
            fmt::format("scheduler '{}' trains trial {} to {}, which it has reached", conductor_.label, result.number, until));
    push(result, static_cast<size_t>(target));
  }

  void push(const Result& result, size_t until) {
    const size_t step = step_of(result);
    events_.insert({.time = now_ + cost_until(step + 1) - cost_until(step), .trial = result.number, .until = until});
  }

  void finish_step(const Event& event) {
    Result& result = history_[static_cast<size_t>(event.trial)];
    const size_t step = step_of(result) + 1;
    result.fidelity = static_cast<double>(step);
    result.cost = cost_until(step);
    const std::optional<double> objective = task_.objective(result.settings, step, options_.seed);
    if (!objective) {
      result.state = TrialState::failed;
      result.objective = std::nullopt;
      return;
    }
    result.objective = objective;
    result.curve.push_back({.fidelity = result.fidelity, .objective = *objective});
    if (step == steps()) result.state = TrialState::complete;
    else if (step == event.until) result.state = TrialState::paused;
    else push(result, event.until);
  }

  double incumbent_end() const {
    const Result* best = nullptr;
    for (const Result& result : history_)
      if (result.objective && (best == nullptr || *result.objective < *best->objective)) best = &result;
    return best == nullptr ? kForever : task_.objective(best->settings, steps(), options_.seed).value_or(kForever);
  }

  const Task& task_;
  const Conductor& conductor_;
  const SimulationOptions& options_;
  Decider decider_;
  History history_;
  std::set<Event> events_;
  double now_ = 0.0;
  uint64_t decisions_ = 0;
  bool over_ = false;
};

}  // namespace

Simulation simulate(const Task& task, const Player& player, const Conductor& conductor, const SimulationOptions& options) {
  return Study(task, player, conductor, options).run();
}

}  // namespace espalier::bench
