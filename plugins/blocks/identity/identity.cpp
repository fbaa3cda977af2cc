#include <espalier/block.h>

using namespace espalier;

namespace {

/// Any shape -> the same.
struct Identity {
  static constexpr auto doc = "passes its input on: 'without' in a search of with and without";

  using Params = NoParams;
  static Schema<Params> schema() { return {}; }

  static Value build(Network&, const Params&, Value x) { return x; }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.block<Identity>("identity"); }
