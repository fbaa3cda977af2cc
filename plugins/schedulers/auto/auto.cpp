#include <espalier/scheduler.h>

using namespace espalier;

namespace {

/// What a pipeline gets that names no scheduler: every trial is trained to its end.
struct AutoScheduler {
  static constexpr auto doc = "the default: every trial is trained to its end";

  using Params = NoParams;
  static Schema<Params> schema() { return {}; }

  static Step next(const Params&, double, const History&, Random&) { return {.kind = Step::Kind::start}; }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.scheduler<AutoScheduler>("auto"); }
