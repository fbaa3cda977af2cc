#include "../drawing.h"

using namespace espalier;

namespace {

/// Every combination in order, the last setting fastest; ranges without a step at evenly spread points.
struct GridTuner {
  static constexpr auto doc = "every combination in order; ranges without a step at evenly spread points";

  struct Params {
    int64_t points = 10;
  };
  static Schema<Params> schema() { return {{"points", &Params::points, legal(1, 1000), "points of a range without a step"}}; }

  static std::optional<Proposal> propose(const Params& p, const Space& space, const History& history, Random&,
                                         const Feasible& feasible) {
    const std::set<std::string> tried = tuners::tried_keys(history);
    std::optional<Proposal> out;
    tuners::walk(space, [&](const Axis& axis) { return tuners::points_of(axis, p.points); }, [&](const Settings& settings) {
      if (tried.contains(canonical_key(settings)) || !feasible(settings)) return false;
      out = Proposal{.settings = settings, .reason = "next of the grid"};
      return true;
    });
    return out;
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.tuner<GridTuner>("grid"); }
