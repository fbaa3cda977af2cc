#include "../models/evolution.h"

#include <espalier/tuner.h>

using namespace espalier;

namespace {

/// Regularized evolution: good members of a population that ages are changed in one setting.
struct EvolutionTuner {
  static constexpr auto doc = "one setting of a good member of an ageing population drawn anew";

  using Params = tuners::EvolutionOptions;
  static Schema<Params> schema() {
    return {{"population", &Params::population, legal(1, 10000), "the newest results, of which parents are drawn"},
            {"sample", &Params::sample, legal(1, 10000), "members drawn, of which the best is changed"}};
  }

  static std::optional<Proposal> propose(const Params& p, const Space& space, const History& history, Random& random,
                                         const Feasible& feasible) {
    return tuners::propose_evolution(p, space, history, random, feasible);
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.tuner<EvolutionTuner>("evolution"); }
