#include <espalier/block.h>

using namespace espalier;

namespace {

/// Pre-activation residual stage (arXiv:1603.05027). (C, H, W) -> (width, ceil(H / stride), ceil(W / stride))
struct Residual {
  static constexpr auto doc = "pre-activation residual units";

  struct Params {
    int64_t width = 64;
    int64_t depth = 2;
    int64_t stride = 1;
    double dropout = 0.0;
  };

  static Schema<Params> schema() {
    return {{"width", &Params::width, one_of(32, 64, 128, 256), "output channels"},
            {"depth", &Params::depth, between(1, 4), "residual units"},
            {"stride", &Params::stride, one_of(1, 2), "pixels between windows of the first unit"},
            {"dropout", &Params::dropout, between(0.0, 0.5), "fraction of channels zeroed"}};
  }

  static Value build(Network& net, const Params& p, Value x) {
    x = net.conv(x, {.filters = p.width, .kernel = 3, .stride = p.stride});
    for (int64_t i = 0; i < p.depth; ++i) {
      Value y = net.relu(net.batch_norm(x));
      y = net.conv(y, {.filters = p.width, .kernel = 3});
      x = net.add(x, net.dropout(y, p.dropout));
    }
    return x;
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.block<Residual>("residual"); }
