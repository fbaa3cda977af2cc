#include "../mutation.h"

using namespace espalier;

namespace {

/// AutoKeras' greedy search (Jin, Song, Hu 2019), which keeps the best configuration and changes one part of it; where all
/// near it has been tried, it draws from anywhere instead of giving up.
struct GreedyTuner {
  static constexpr auto doc = "the best configuration so far with one part of it drawn anew";

  using Params = NoParams;
  static Schema<Params> schema() { return {}; }

  static std::optional<Proposal> propose(const Params&, const Space& space, const History& history, Random& random,
                                         const Feasible& feasible) {
    if (auto near = tuners::mutate_best(space, history, random, feasible)) return near;
    const std::optional<Settings> anywhere = tuners::draw_new(space, history, random, feasible);
    if (!anywhere) return std::nullopt;
    return Proposal{.settings = *anywhere, .reason = "drawn at random: all near the best has been tried"};
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.tuner<GreedyTuner>("greedy"); }
