#include "../models/tpe.h"

#include <espalier/tuner.h>

using namespace espalier;

namespace {

/// Tree-structured Parzen estimator over all hyperparameters at once, conditional ones included.
struct TpeTuner {
  static constexpr auto doc = "densities of good and other configurations (TPE), of all settings at once";

  using Params = tuners::TpeOptions;
  static Schema<Params> schema() {
    return {{"startup", &Params::startup, legal(1, 1000), "results before there is a model; until then points of a Sobol sequence"},
            {"candidates", &Params::candidates, legal(1, 10000), "configurations drawn, of which the most promising is proposed"},
            {"good", &Params::good, legal(0.01, 0.99), "share of the results that count as good"},
            {"most_good", &Params::most_good, legal(1, 1000), "no more results than this count as good"},
            {"prior_weight", &Params::prior_weight, legal(0.01, 100), "weight of the prior, in results: more of it explores more"}};
  }

  static std::optional<Proposal> propose(const Params& p, const Space& space, const History& history, Random& random,
                                         const Feasible& feasible) {
    return tuners::propose_tpe(p, space, history, random, feasible);
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.tuner<TpeTuner>("tpe"); }
