#include "../models/gp.h"

#include <espalier/tuner.h>

using namespace espalier;

namespace {

struct GpTuner {
  static constexpr auto doc = "Gaussian process: where it expects the greatest improvement on the best";

  using Params = tuners::GpOptions;
  static Schema<Params> schema() {
    return {{"startup", &Params::startup, legal(0, 1000),
             "trials before the model says anything; 0: one more than there are hyperparameters, at most 10"},
            {"per_second", &Params::per_second, Domain{}, tuners::kPerSecondDoc}};
  }

  static std::optional<Proposal> propose(const Params& p, const Space& space, const History& history, Random& random,
                                         const Feasible& feasible) {
    return tuners::propose_gp(p, space, history, random, feasible);
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.tuner<GpTuner>("gp"); }
