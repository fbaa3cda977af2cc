#include "../models/local_search.h"

#include <espalier/tuner.h>

using namespace espalier;

namespace {

/// First-improvement local search from the best of some random configurations, again and again.
struct LocalSearchTuner {
  static constexpr auto doc = "neighbours of the best of some random configurations, the first better one next; again from elsewhere at the end";

  using Params = tuners::LocalSearchOptions;
  static Schema<Params> schema() {
    return {{"starts", &Params::starts, legal(1, 10000), "random configurations, of which the best is where the first descent starts"}};
  }

  static std::optional<Proposal> propose(const Params& p, const Space& space, const History& history, Random& random,
                                         const Feasible& feasible) {
    return tuners::propose_local_search(p, space, history, random, feasible);
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.tuner<LocalSearchTuner>("local_search"); }
