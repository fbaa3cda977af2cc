#pragma once

#include <espalier/scheduler.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

/// What schedulers of this folder share.
namespace espalier::schedulers {

/// A trial and its objective at a rung; lower is better.
struct Ranked {
  const Result* result = nullptr;
  double objective = 0.0;
};

/// Fidelities at which trials are compared: `min` times powers of `eta`, below `full`; whole epochs, each once.
inline std::vector<double> rungs_below(double full, double min, double eta) {
  std::vector<double> out;
  for (double rung = min; std::round(rung) < full; rung *= eta)
    if (out.empty() || std::round(rung) > out.back()) out.push_back(std::round(rung));
  return out;
}

/// Trials that have reached a rung, the best first, ties to the lower number; those that failed have not.
inline std::vector<Ranked> reached(const History& history, double rung) {
  std::vector<Ranked> out;
  for (const Result& result : history)
    if (const auto objective = result.state == TrialState::failed ? std::nullopt : objective_at(result, rung))
      out.push_back({.result = &result, .objective = *objective});
  std::ranges::stable_sort(out, {}, &Ranked::objective);
  return out;
}

/// True if a trial waits at this rung and was not taken beyond it.
inline bool waits_at(const Result& result, double rung) { return result.state == TrialState::paused && result.fidelity <= rung; }

/// The fidelity after rung `k`: the next rung, or 0, which is the end.
inline double after(const std::vector<double>& rungs, size_t k) { return k + 1 < rungs.size() ? rungs[k + 1] : 0.0; }

/// "2nd of 9 at 3 epochs"
inline std::string place_of(size_t place, size_t count, double rung) {
  static constexpr const char* kEnds[] = {"th", "st", "nd", "rd"};
  const size_t last = place / 10 % 10 == 1 ? 0 : place % 10;
  const std::string epochs = std::to_string(static_cast<int64_t>(rung)) + (rung == 1.0 ? " epoch" : " epochs");
  return std::to_string(place) + kEnds[last < 4 ? last : 0] + " of " + std::to_string(count) + " at " + epochs;
}

/// Asynchronous successive halving by promotion (ASHA, arXiv:1810.05934): the best trial that is among the first 1 / eta of a
/// rung and waits there goes on to the next, higher rungs before lower ones; where none does, a new trial starts. Never waits.
inline Step promote_or_start(const std::vector<double>& rungs, double eta, const History& history) {
  if (rungs.empty()) return {.kind = Step::Kind::start, .reason = "whole training"};
  for (size_t k = rungs.size(); k-- > 0;) {
    const std::vector<Ranked> ranked = reached(history, rungs[k]);
    const auto good = static_cast<size_t>(std::floor(static_cast<double>(ranked.size()) / eta));
    for (size_t place = 0; place < good; ++place)
      if (waits_at(*ranked[place].result, rungs[k]))
        return {.kind = Step::Kind::resume, .trial = ranked[place].result->number, .until = after(rungs, k),
                .reason = place_of(place + 1, ranked.size(), rungs[k])};
  }
  return {.kind = Step::Kind::start, .until = rungs.front(), .reason = "to the first rung"};
}

/// So many new trials, of which ever fewer get ever more epochs.
struct Bracket {
  int64_t trials = 1;
  std::vector<double> rungs;   ///< the first is what each trial gets; after the last comes the whole training
};

/// The next step of a bracket whose trials have the numbers from `first` on (successive halving, arXiv:1502.07943): a rung is
/// decided once all of its trials are there. Nothing: the bracket is over.
inline std::optional<Step> next_of(const Bracket& bracket, int64_t first, double eta, const History& history) {
  const double start = bracket.rungs.empty() ? 0.0 : bracket.rungs.front();
  if (std::ssize(history) < first + bracket.trials)
    return Step{.kind = Step::Kind::start, .until = start, .reason = "to the first rung of its bracket"};
  const History members(history.begin() + first, history.begin() + first + bracket.trials);
  const bool runs = std::ranges::any_of(members, [](const Result& r) { return r.state == TrialState::running || r.state == TrialState::queued; });
  double left = static_cast<double>(bracket.trials);
  for (size_t k = 0; k < bracket.rungs.size(); ++k) {
    const std::vector<Ranked> ranked = reached(members, bracket.rungs[k]);
    left = std::max(1.0, std::floor(left / eta));
    for (size_t place = 0; place < std::min(ranked.size(), static_cast<size_t>(left)); ++place)
      if (waits_at(*ranked[place].result, bracket.rungs[k])) {
        // All that were to reach this rung have: nothing that still runs can change the order.
        const bool is_whole = std::ranges::none_of(members, [&](const Result& r) {
          return (r.state == TrialState::running || r.state == TrialState::queued) && r.fidelity < bracket.rungs[k];
        });
        if (!is_whole) return Step{.kind = Step::Kind::wait};
        return Step{.kind = Step::Kind::resume, .trial = ranked[place].result->number, .until = after(bracket.rungs, k),
                    .reason = place_of(place + 1, ranked.size(), bracket.rungs[k])};
      }
  }
  if (runs) return Step{.kind = Step::Kind::wait};
  return std::nullopt;
}

}  // namespace espalier::schedulers
