#include <espalier/block.h>

using namespace espalier;

namespace {

/// Any shape -> (elements).
struct Flatten {
  static constexpr auto doc = "makes a vector of a picture";

  using Params = NoParams;
  static Schema<Params> schema() { return {}; }

  static Value build(Network& net, const Params&, Value x) { return net.flatten(x); }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.block<Flatten>("flatten"); }
