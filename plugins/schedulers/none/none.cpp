#include <espalier/scheduler.h>

using namespace espalier;

namespace {

/// Every trial is trained to its end, one after the other.
struct NoScheduler {
  static constexpr auto doc = "every trial is trained to its end";

  using Params = NoParams;
  static Schema<Params> schema() { return {}; }

  static Step next(const Params&, double, const History&, Random&) { return {.kind = Step::Kind::start}; }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.scheduler<NoScheduler>("none"); }
