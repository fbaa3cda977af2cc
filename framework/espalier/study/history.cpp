#include "espalier/study/study.h"

namespace espalier {

History history(const std::vector<TrialRecord>& trials, const Objective& objective) {
  History out;
  for (const TrialRecord& trial : trials) {
    Result result{.number = trial.number, .settings = trial.settings, .state = trial.state};
    if (trial.objective) result.objective = objective.maximize ? -*trial.objective : *trial.objective;
    result.fidelity = trial.epochs;
    if (const auto macs = trial.scores.find("macs"); macs != trial.scores.end()) result.cost = macs->second * trial.epochs;
    out.push_back(std::move(result));
  }
  return out;
}

std::optional<TrialRecord> best_trial(const std::vector<TrialRecord>& trials, const Objective& objective) {
  const double sign = objective.maximize ? 1.0 : -1.0;
  const TrialRecord* best = nullptr;
  for (const TrialRecord& trial : trials) {
    if (trial.state != TrialState::complete) continue;
    if (best == nullptr || (trial.objective && (!best->objective || sign * *trial.objective > sign * *best->objective))) best = &trial;
  }
  return best == nullptr ? std::nullopt : std::optional<TrialRecord>(*best);
}

}  // namespace espalier
