#include "../rungs.h"

using namespace espalier;

namespace {

/// What a pipeline gets that names no scheduler: asha (its anytime results were the best of those compared, see
/// plugins/tuners/README.md), with rungs from one epoch up, and the first trial taken to its end without a comparison, so that
/// early on there is one whole model. Short trainings have no rungs.
struct AutoScheduler {
  static constexpr auto doc = "the default: the first trial to its end, then the best third of each rung goes on to the next";

  using Params = NoParams;
  static Schema<Params> schema() { return {}; }

  static Step next(const Params&, double full, const History& history, Random&) {
    constexpr double kEta = 3.0;
    const std::vector<double> rungs = schedulers::rungs_below(full, 1.0, kEta);
    if (!history.empty() && history.front().state == TrialState::paused)
      for (size_t k = 0; k < rungs.size(); ++k)
        if (history.front().fidelity <= rungs[k])
          return {.kind = Step::Kind::resume, .trial = 0, .until = schedulers::after(rungs, k), .reason = "the first trial goes to its end"};
    return schedulers::promote_or_start(rungs, kEta, history);
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.scheduler<AutoScheduler>("auto"); }
