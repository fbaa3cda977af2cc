#pragma once

#include "espalier/space.h"

#include <cstdint>
#include <string>
#include <vector>

namespace espalier {

/// One trial as importance sees it.
struct Observation {
  Settings settings;
  double objective = 0.0;   ///< lower is better
};

/// What one hyperparameter has to do with a trial's being among the best.
struct AxisImportance {
  std::string name;
  int64_t trials = 0;        ///< in which it is active and that have an objective
  int64_t values = 0;        ///< different ones that were tried
  bool judged = false;       ///< false: too few trials, one value only, or all of one objective
  double explained = 0.0;    ///< 0 to 1: part of the variance of "is among the best" that its value explains, chance taken off
  double share = 0.0;        ///< `explained` times the part of all trials in which it is active; sums to 1 over the axes
  double by_chance = 1.0;    ///< how often trials called best by lot would explain as much (permutation test)
  /// The values that the best trials favour most: one word, or the ends of a range of numbers.
  std::vector<Json> favoured = {};
};

struct Importance {
  std::vector<AxisImportance> axes;        ///< by `share`, those not judged last
  int64_t trials = 0;                      ///< observations that it rests on
  int64_t best = 0;                        ///< how many of them count as the best
  std::vector<std::string> warnings = {};  ///< why it should not be trusted; empty if nothing speaks against it
};

/// Which hyperparameters decide whether a trial is among the best: PED-ANOVA (arXiv:2304.10255), the Pearson divergence
/// between the values of the best trials and those of all, with densities over bins of equally many trials, so that a
/// logarithmic axis needs no mark. A conditional axis is judged among the trials in which it is active, the best of these
/// being its best. The best are a tenth, but at least 12 as long as these are no more than half. Each axis is judged alone:
/// what two settings do only together is not seen. Observations without a finite objective are left out.
Importance importance(const std::vector<Observation>& observations);

/// Trials by their place, 0 for the best: first those that are complete, then those that a scheduler stopped, the longer
/// trained before the shorter ones, as it took those for worse; among equals by objective. Without those that failed, run or
/// have no objective.
std::vector<Observation> ranked(const History& history);

}  // namespace espalier
