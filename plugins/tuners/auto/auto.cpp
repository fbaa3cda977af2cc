#include "../models/portfolio.h"

using namespace espalier;

namespace {

/// What a pipeline gets that names no tuner.
struct AutoTuner {
  static constexpr auto doc = "the default: defaults of each branch, then a Gaussian process, TPE or local search as the space asks for";

  using Params = NoParams;
  static Schema<Params> schema() { return {}; }

  static std::optional<Proposal> propose(const Params&, const Space& space, const History& history, Random& random,
                                         const Feasible& feasible) {
    return tuners::propose_portfolio(space, history, random, feasible);
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.tuner<AutoTuner>("auto"); }
