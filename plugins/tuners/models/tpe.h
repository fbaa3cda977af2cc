#pragma once

#include <espalier/tuner.h>

#include <cstdint>
#include <optional>

namespace espalier::tuners {

struct TpeOptions {
  int64_t startup = 10;       ///< results before there is a model
  int64_t candidates = 24;    ///< drawn from the density of the good ones
  double good = 0.1;          ///< share of the results that are good
  int64_t most_good = 25;
  double prior_weight = 1.0;  ///< of the prior, in results
};

/// Tree-structured Parzen estimator (Bergstra et al. 2011): of some draws from the density l of good configurations the one
/// with the largest l / g, g being the density of the others and of what is pending (a constant liar: it repels). Both are
/// densities over the whole tree of the space, so that a branch is chosen together with what hangs below it.
/// Points of a Sobol sequence until there are enough results. Nothing: the space is used up.
std::optional<Proposal> propose_tpe(const TpeOptions& options, const Space& space, const History& history, Random& random,
                                    const Feasible& feasible);

}  // namespace espalier::tuners
