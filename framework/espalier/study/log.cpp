#include "espalier/study/log.h"

#include <algorithm>

namespace espalier {

namespace {

std::optional<double> score_of(const Decision& decision, const std::string& metric) {
  const auto found = decision.scores.find(metric);
  return found == decision.scores.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

void Log::refresh(const Store& store) {
  // Decisions first: a trial is written with the decision that starts it.
  for (Decision& decision : store.decisions(decisions(), ended_)) {
    const auto at = static_cast<size_t>(decision.number);
    if (at >= decisions_.size()) decisions_.resize(at + 1);
    if (decision.ended >= 0 && decisions_[at].ended < 0) ++ended_;
    decisions_[at] = std::move(decision);
  }
  for (TrialRecord& trial : store.trials(trials())) settings_.push_back(std::move(trial.settings));
}

bool Log::ended_before(int64_t number) const {
  return std::ranges::all_of(decisions_, [&](const Decision& decision) { return decision.number >= number || decision.ended >= 0; });
}

double Log::epochs() const {
  double sum = 0.0;
  for (const Decision& decision : decisions_) sum += std::max(0.0, decision.epochs - decision.begun);
  return sum;
}

std::vector<History> Log::histories(const std::vector<Objective>& objectives, const std::function<bool(const Decision&)>& sees) const {
  std::vector<History> out(objectives.size());
  for (size_t i = 0; i < settings_.size(); ++i) out.front().push_back({.number = static_cast<int64_t>(i), .settings = settings_[i]});
  std::fill(out.begin() + 1, out.end(), out.front());
  for (const Decision& decision : decisions_)
    for (size_t i = 0; i < out.size(); ++i) {
      Result& result = out[i].at(static_cast<size_t>(decision.trial));
      // Of a trial that began anew the first decision says 0.
      if (result.fidelity == 0.0) result.begun = result.fidelity = decision.begun;
      if (decision.ended < 0 || !sees(decision)) {
        result.state = TrialState::running;
        continue;
      }
      result.state = decision.state;
      result.fidelity = decision.epochs;
      result.cost = decision.cost;
      const std::optional<double> value = i == 0 ? decision.objective : score_of(decision, objectives[i].metric);
      if (!value) continue;
      result.objective = objectives[i].maximize ? -*value : *value;
      result.curve.push_back({.fidelity = decision.epochs, .objective = *result.objective});
    }
  return out;
}

}  // namespace espalier
