#include "../rungs.h"

using namespace espalier;

namespace {

/// The median rule (Golovin et al. 2017, doi:10.1145/3097983.3098043): a trial that is worse than half of the others were at
/// the same epoch goes no further.
struct Median {
  static constexpr auto doc = "a trial that is worse than the median of the others at the same epoch goes no further";

  struct Params {
    int64_t startup = 5;
    double interval = 0.0;
  };
  static Schema<Params> schema() {
    return {{"startup", &Params::startup, legal(1, 1000000), "trials that are trained to their end first"},
            {"interval", &Params::interval, legal(0.0, 1e6), "epochs between two looks; 0: a tenth of a whole training"}};
  }

  static Step next(const Params& p, double full, const History& history, Random&) {
    const double interval = std::max(1.0, std::round(p.interval > 0.0 ? p.interval : full / 10.0));
    for (const Result& result : history) {
      if (result.state != TrialState::paused) continue;
      const double until = result.fidelity + interval < full ? result.fidelity + interval : 0.0;
      if (result.number < p.startup) return {.kind = Step::Kind::resume, .trial = result.number, .until = until, .reason = "one of the first"};
      if (is_good(result, history))
        return {.kind = Step::Kind::resume, .trial = result.number, .until = until, .reason = "not worse than the median"};
    }
    return {.kind = Step::Kind::start, .until = interval < full ? interval : 0.0, .reason = "a new trial"};
  }

  static bool is_good(const Result& result, const History& history) {
    std::vector<double> others;
    for (const Result& other : history)
      if (other.number != result.number && other.state != TrialState::failed)
        if (const auto objective = objective_at(other, result.fidelity)) others.push_back(*objective);
    if (others.empty() || !result.objective) return result.objective.has_value();
    const auto middle = others.begin() + std::ssize(others) / 2;
    std::ranges::nth_element(others, middle);
    return *result.objective <= *middle;
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.scheduler<Median>("median"); }
