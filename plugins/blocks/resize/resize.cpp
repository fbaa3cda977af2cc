#include <espalier/block.h>

using namespace espalier;

namespace {

/// (C, H, W) -> (C, height, width).
struct Resize {
  static constexpr auto doc = "scales pictures, bilinearly";

  struct Params {
    std::vector<int64_t> size = {64, 64};
  };

  static Schema<Params> schema() {
    return {{"size", &Params::size, legal(1, 4096), "height and width in pixels; one number: both"}};
  }

  static Value build(Network& net, const Params& p, Value x) {
    require(p.size.size() == 1 || p.size.size() == 2, "E0207",
            "resize takes a size of one or two numbers, not " + std::to_string(p.size.size()));
    return net.resize(x, p.size.front(), p.size.back());
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.block<Resize>("resize"); }
