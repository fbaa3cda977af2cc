#include "espalier/store/best.h"

#include <algorithm>

namespace espalier {

void sort_best_first(std::vector<TrialRecord>& trials, bool maximize) {
  std::ranges::stable_sort(trials, [&](const TrialRecord& a, const TrialRecord& b) {
    return maximize ? *a.objective > *b.objective : *a.objective < *b.objective;
  });
}

std::optional<TrialRecord> best_trial(const std::vector<TrialRecord>& trials, bool maximize) {
  const double sign = maximize ? 1.0 : -1.0;
  const TrialRecord* best = nullptr;
  for (const TrialRecord& trial : trials) {
    if (trial.state != TrialState::complete && trial.state != TrialState::paused) continue;
    if (best == nullptr || (trial.objective && (!best->objective || sign * *trial.objective > sign * *best->objective))) best = &trial;
  }
  return best == nullptr ? std::nullopt : std::optional<TrialRecord>(*best);
}

}  // namespace espalier
