#pragma once

#include <espalier/tuner.h>

#include <cstdint>
#include <optional>

namespace espalier::tuners {

struct EvolutionOptions {
  int64_t population = 20;  ///< the newest results; older ones have died
  int64_t sample = 5;       ///< the best of so many of them, drawn with replacement, is mutated
};

/// Regularized evolution (Real et al., arXiv:1802.01548): one hyperparameter of a good member of a population that ages gets
/// another value; what hangs below a changed branch is drawn. Draws until there is a population. Nothing: the space is
/// used up.
std::optional<Proposal> propose_evolution(const EvolutionOptions& options, const Space& space, const History& history,
                                          Random& random, const Feasible& feasible);

}  // namespace espalier::tuners
