#include "../mutation.h"

using namespace espalier;

namespace {

/// What a pipeline gets that names no tuner: the defaults first, then by turns a change to the best configuration and a
/// draw from anywhere, so that neither a bad start nor luck decides alone.
struct AutoTuner {
  static constexpr auto doc = "defaults first, then by turns a change to the best so far and a draw from anywhere";

  using Params = NoParams;
  static Schema<Params> schema() { return {}; }

  static std::optional<Proposal> propose(const Params&, const Space& space, const History& history, Random& random,
                                         const Feasible& feasible) {
    if (const Settings first = first_settings(space); history.empty() && feasible(first))
      return Proposal{.settings = first, .reason = "the first configuration"};
    if (history.size() % 2 == 1)
      if (auto near = tuners::mutate_best(space, history, random, feasible)) return near;
    const std::optional<Settings> anywhere = tuners::draw_new(space, history, random, feasible);
    if (!anywhere) return std::nullopt;
    return Proposal{.settings = *anywhere, .reason = "drawn at random"};
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.tuner<AutoTuner>("auto"); }
