#include "espalier/store/best.h"

#include <algorithm>
#include <limits>

namespace espalier {

void set_tie_breaks(TrialRecord& trial, const Json& objective) {
  trial.tie_breaks.clear();
  if (!objective.is_object()) return;
  for (const Json& other : objective.value("others", Json::array())) {
    const auto score = trial.scores.find(other.value("metric", ""));
    const double sign = other.value("maximize", true) ? -1.0 : 1.0;
    trial.tie_breaks.push_back(score == trial.scores.end() ? std::numeric_limits<double>::infinity() : sign * score->second);
  }
}

bool is_better(const TrialRecord& a, const TrialRecord& b, bool maximize) {
  if (!a.objective || !b.objective) return a.objective.has_value() && !b.objective;
  if (*a.objective != *b.objective) return maximize ? *a.objective > *b.objective : *a.objective < *b.objective;
  return a.tie_breaks < b.tie_breaks;
}

void sort_best_first(std::vector<TrialRecord>& trials, bool maximize) {
  std::ranges::stable_sort(trials, [&](const TrialRecord& a, const TrialRecord& b) { return is_better(a, b, maximize); });
}

std::optional<TrialRecord> best_trial(const std::vector<TrialRecord>& trials, bool maximize) {
  const TrialRecord* best = nullptr;
  for (const TrialRecord& trial : trials) {
    if (trial.state != TrialState::complete && trial.state != TrialState::paused) continue;
    if (best == nullptr || is_better(trial, *best, maximize)) best = &trial;
  }
  return best == nullptr ? std::nullopt : std::optional<TrialRecord>(*best);
}

}  // namespace espalier
