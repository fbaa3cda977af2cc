#include <espalier/block.h>

using namespace espalier;

namespace {

struct Part {
  static constexpr auto doc = "a part";
  struct Params {
    int64_t depth = 1;
  };
  static Schema<Params> schema() { return {{"depth", &Params::depth, between(1, 3), "how deep"}}; }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.block<Part>("part"); }
