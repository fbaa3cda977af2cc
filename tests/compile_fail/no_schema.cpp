#include <espalier/block.h>

using namespace espalier;

namespace {

struct Part {
  static constexpr auto doc = "a part";
  struct Params {
    int64_t depth = 1;
  };
  static Value build(Network&, const Params&, Value x) { return x; }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.block<Part>("part"); }
