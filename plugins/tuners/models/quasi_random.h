#pragma once

#include "rows.h"

#include <optional>

namespace espalier::tuners {

/// The next point of the scrambled Sobol sequence that is neither tried nor infeasible; its index starts at the number of
/// trials. One dimension for each axis, those of inactive axes are dropped. Nothing: none in many points.
std::optional<Proposal> next_point(const Space& space, const Encoding& encoding, const Rows& rows, const Feasible& feasible);

/// Points of the sequence, and draws from what is left where they give nothing new.
std::optional<Proposal> propose_quasi_random(const Space& space, const History& history, Random& random, const Feasible& feasible);

}  // namespace espalier::tuners
