#include "../models/gp.h"
#include "../models/portfolio.h"

using namespace espalier;

namespace {

/// What a pipeline gets that names no tuner.
struct AutoTuner {
  static constexpr auto doc = "the default: defaults of each branch, then a Gaussian process, TPE or local search as the space asks for";

  using Params = tuners::PortfolioOptions;
  static Schema<Params> schema() { return {{"per_second", &Params::per_second, Domain{}, tuners::kPerSecondDoc}}; }

  static std::optional<Proposal> propose(const Params& p, const Space& space, const History& history, Random& random,
                                         const Feasible& feasible) {
    return tuners::propose_portfolio(p, space, history, random, feasible);
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.tuner<AutoTuner>("auto"); }
