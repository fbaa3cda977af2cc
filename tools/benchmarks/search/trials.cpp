#include "trials.h"

#include <chrono>
#include <limits>

namespace espalier::bench {

namespace {

using Clock = std::chrono::steady_clock;

Result whole_training(const Task& task, int64_t number, const Settings& settings, uint64_t seed) {
  const auto steps = static_cast<double>(task.costs.size());
  const std::optional<double> objective = task.objective(settings, task.costs.size(), seed);
  Result out{.number = number, .settings = settings, .state = objective ? TrialState::complete : TrialState::failed, .objective = objective,
             .fidelity = steps, .cost = 1.0};
  if (objective) out.curve = {{.fidelity = steps, .objective = *objective}};
  return out;
}

}  // namespace

Trials run_trials(const Task& task, const Player& player, uint64_t seed, const std::vector<size_t>& checkpoints, bool tries_first) {
  Decider decider(task, player, seed, tries_first);
  Trials out;
  History history;
  double best = std::numeric_limits<double>::infinity();
  for (const size_t checkpoint : checkpoints) {
    while (history.size() < checkpoint) {
      const auto begin = Clock::now();
      const std::optional<Proposal> proposal = decider.next(history);
      out.seconds += std::chrono::duration<double>(Clock::now() - begin).count();
      if (!proposal) break;
      history.push_back(whole_training(task, std::ssize(history), proposal->settings, seed));
      const std::optional<double>& objective = history.back().objective;
      if (objective && *objective < best) best = *objective, out.settings = proposal->settings;
    }
    out.best.push_back(best);
  }
  return out;
}

}  // namespace espalier::bench
