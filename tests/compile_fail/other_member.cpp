#include <espalier/block.h>

using namespace espalier;

namespace {

struct Other {
  int64_t depth = 1;
};

struct Part {
  static constexpr auto doc = "a part";
  struct Params {
    int64_t depth = 1;
  };
  static Schema<Params> schema() { return {{"depth", &Other::depth, between(1, 3), "how deep"}}; }
  static Value build(Network&, const Params&, Value x) { return x; }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.block<Part>("part"); }
