#include "evidence.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <set>

namespace espalier::tuners {

namespace {

constexpr double kEnd = std::numeric_limits<double>::infinity();

/// The objective to compare by at one level; at the level of the end only of complete trials.
std::optional<double> objective_at_level(const Result& result, double level) {
  if (result.state == TrialState::failed) return std::nullopt;
  if (level == kEnd) return result.state == TrialState::complete ? result.objective : std::nullopt;
  return objective_at(result, level);
}

size_t count_at(const History& history, double level) {
  return static_cast<size_t>(std::ranges::count_if(history, [&](const Result& r) { return objective_at_level(r, level).has_value(); }));
}

double choose_level(const History& history, size_t enough) {
  std::set<double, std::greater<>> levels{kEnd};
  for (const Result& result : history)
    if (result.state != TrialState::complete && !result.curve.empty()) levels.insert(result.curve.back().fidelity);
  double fullest = kEnd;
  for (size_t most = 0; const double level : levels) {
    const size_t count = count_at(history, level);
    if (count >= enough) return level;
    if (count > most) most = count, fullest = level;
  }
  return fullest;
}

}  // namespace

Evidence evidence_of(const History& history, size_t enough) {
  const double level = choose_level(history, enough);
  Evidence out;
  double worst = -kEnd;
  for (const Result& result : history)
    if (const auto objective = objective_at_level(result, level)) worst = std::max(worst, *objective);
  for (const Result& result : history) {
    if (const auto objective = objective_at_level(result, level)) out.seen.push_back({&result.settings, *objective, result.number});
    else if (result.state == TrialState::failed && worst > -kEnd) out.seen.push_back({&result.settings, worst, result.number});
    else if (result.state == TrialState::queued || result.state == TrialState::running) out.pending.push_back(&result.settings);
    else out.others.push_back(&result.settings);
  }
  return out;
}

}  // namespace espalier::tuners
