#include <espalier/block.h>

using namespace espalier;

namespace {

/// One convolution: (C, H, W) -> (width, H', W').
struct Conv {
  static constexpr auto doc = "one convolution with batch norm, activation and dropout";

  struct Params {
    int64_t width = 32;
    int64_t kernel = 3;
    int64_t stride = 1;
    bool batch_norm = true;
    std::string activation = "relu";
    double dropout = 0.0;
  };

  static Schema<Params> schema() {
    return {
        {"width", &Params::width, one_of(16, 32, 64, 128).within(1, 4096), "output channels"},
        {"kernel", &Params::kernel, one_of(1, 3, 5, 7).within(1, 31), "pixels, square"},
        {"stride", &Params::stride, one_of(1, 2).within(1, 8), "pixels between windows"},
        {"batch_norm", &Params::batch_norm, yes_or_no(), "normalise before the activation"},
        {"activation", &Params::activation, one_of("relu", "silu", "gelu", "tanh", "none"), "function of each value"},
        {"dropout", &Params::dropout, one_of(0.0, 0.25, 0.5).within(0.0, 0.95), "fraction of features zeroed"}};
  }

  static Value build(Network& net, const Params& p, Value x) {
    x = net.conv(x, {.filters = p.width, .kernel = p.kernel, .stride = p.stride, .bias = !p.batch_norm});
    if (p.batch_norm) x = net.batch_norm(x);
    return net.dropout(net.activation(x, p.activation), p.dropout);
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.block<Conv>("conv"); }
