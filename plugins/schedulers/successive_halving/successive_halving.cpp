#include "../rungs.h"

using namespace espalier;

namespace {

/// Successive halving (arXiv:1502.07943), bracket after bracket. A rung is decided once all of its trials are there, so
/// several workers wait at times; asha does not.
struct SuccessiveHalving {
  static constexpr auto doc = "brackets of trials, of which the best third goes on at each rung";

  struct Params {
    double eta = 3.0;
    double min = 1.0;
    int64_t trials = 0;
  };
  static Schema<Params> schema() {
    return {{"eta", &Params::eta, legal(1.5, 100.0), "one in so many trials goes on from a rung"},
            {"min", &Params::min, legal(1.0, 1e6), "epochs at the first rung"},
            {"trials", &Params::trials, legal(0, 1000000), "of a bracket; 0: so many that one is trained to the end"}};
  }

  static Step next(const Params& p, double full, const History& history, Random&) {
    schedulers::Bracket bracket{.rungs = schedulers::rungs_below(full, p.min, p.eta)};
    bracket.trials = p.trials > 0 ? p.trials : std::llround(std::pow(p.eta, static_cast<double>(bracket.rungs.size())));
    for (int64_t first = 0;; first += bracket.trials)
      if (const auto step = schedulers::next_of(bracket, first, p.eta, history)) return *step;
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.scheduler<SuccessiveHalving>("successive_halving"); }
