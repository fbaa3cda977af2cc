#include "../rungs.h"

using namespace espalier;

namespace {

/// ASHA (arXiv:1810.05934), promotion with pause and resume. A rung is at least one epoch: an untrained network tells nothing.
struct Asha {
  static constexpr auto doc = "the best third of each rung goes on to the next, without waiting for others";

  struct Params {
    double eta = 3.0;
    double min = 1.0;
  };
  static Schema<Params> schema() {
    return {{"eta", &Params::eta, legal(1.5, 100.0), "one in so many trials goes on from a rung"},
            {"min", &Params::min, legal(1.0, 1e6), "epochs at the first rung"}};
  }

  static Step next(const Params& p, double full, const History& history, Random&) {
    return schedulers::promote_or_start(schedulers::rungs_below(full, p.min, p.eta), p.eta, history);
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.scheduler<Asha>("asha"); }
