#pragma once

#include <espalier/tuner.h>

#include <cstdint>
#include <optional>

namespace espalier::tuners {

struct LocalSearchOptions {
  int64_t starts = 10;  ///< random configurations, of which the best is where the first descent starts
};

/// First-improvement local search (White, Nolen, Savani, arXiv:2005.02960): untried neighbours of the current configuration
/// in random order, the first that is better becomes the current one; at a local optimum it starts anew from one draw. Where
/// it stands is read from the history. Nothing: the space is used up.
std::optional<Proposal> propose_local_search(const LocalSearchOptions& options, const Space& space, const History& history,
                                             Random& random, const Feasible& feasible);

}  // namespace espalier::tuners
