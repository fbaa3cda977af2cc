#include "../drawing.h"

using namespace espalier;

namespace {

/// Independent draws, no configuration twice; small spaces are used up to their last configuration.
struct RandomTuner {
  static constexpr auto doc = "independent draws, none twice";

  using Params = NoParams;
  static Schema<Params> schema() { return {}; }

  static std::optional<Proposal> propose(const Params&, const Space& space, const History& history, Random& random,
                                         const Feasible& feasible) {
    const std::optional<Settings> settings = tuners::draw_new(space, history, random, feasible);
    if (!settings) return std::nullopt;
    return Proposal{.settings = *settings, .reason = "drawn at random"};
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.tuner<RandomTuner>("random"); }
