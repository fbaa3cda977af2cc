#pragma once

#include <espalier/tuner.h>

#include <cstdint>
#include <optional>

namespace espalier::tuners {

struct GpOptions {
  /// Trials before the model says anything. 0: one more than the axes (HEBO's number), at most 10 (Optuna's).
  int64_t startup = 0;
  /// Of the places that promise most, the one with the greatest expected improvement per predicted second of training (Snoek et
  /// al., arXiv:1206.2944).
  bool per_second = false;
};

/// The setting `per_second`, for every tuner that asks the process.
inline constexpr const char* kPerSecondDoc = "weigh what a trial may gain by the seconds that it is predicted to take";

/// Gaussian process with log expected improvement (Optuna's GP sampler for the priors, HEBO for the transform of the
/// objectives, arXiv:2012.03826), one process over the union of all axes. Nothing: the space is used up, or nothing new and
/// feasible was found.
std::optional<Proposal> propose_gp(const GpOptions& options, const Space& space, const History& history, Random& random,
                                   const Feasible& feasible);

}  // namespace espalier::tuners
