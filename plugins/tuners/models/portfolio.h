#pragma once

#include <espalier/tuner.h>

#include <optional>

namespace espalier::tuners {

struct PortfolioOptions {
  bool per_second = false;  ///< of the process, see GpOptions
};

/// What a pipeline gets that names no tuner, chosen by the space and by what is known. First the configurations that authors
/// declare as defaults, once for each branch of the space; then some points of a Sobol sequence; then a Gaussian process, with
/// a second opinion now and then once there are some results: TPE, or where no axis has an order local search, which is at home
/// on small spaces of choices. At every sixth turn, and at two of three when the best is stale, a branch of a conditional space
/// that does not hold the best is searched on its own, since what it is worth shows only once it is tuned. Beyond 250 results
/// TPE and mutation of the best, as the cost of the process grows with their cube. Nothing: the space is used up.
std::optional<Proposal> propose_portfolio(const PortfolioOptions& options, const Space& space, const History& history, Random& random,
                                          const Feasible& feasible);

}  // namespace espalier::tuners
