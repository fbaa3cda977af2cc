#include "../models/quasi_random.h"

#include <espalier/tuner.h>

using namespace espalier;

namespace {

/// Points that fill the space more evenly than chance does.
struct QuasiRandomTuner {
  static constexpr auto doc = "points of a scrambled Sobol sequence, which fill the space evenly";

  using Params = NoParams;
  static Schema<Params> schema() { return {}; }

  static std::optional<Proposal> propose(const Params&, const Space& space, const History& history, Random& random,
                                         const Feasible& feasible) {
    return tuners::propose_quasi_random(space, history, random, feasible);
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.tuner<QuasiRandomTuner>("quasi_random"); }
