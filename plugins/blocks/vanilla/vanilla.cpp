#include <espalier/block.h>

using namespace espalier;

namespace {

/// A plain convolutional network as VGG's (arXiv:1409.1556), with batch norm: (C, H, W) -> (width * 2^(depth - 1), H',
/// W').
struct Vanilla {
  static constexpr auto doc = "stages of convolution, batch norm and ReLU, each ended by pooling";

  struct Params {
    int64_t width = 32;
    int64_t depth = 3;
    int64_t layers = 2;
    int64_t kernel = 3;
    bool separable = false;
    bool batch_norm = true;
    bool max_pooling = true;
    double dropout = 0.25;
  };

  static Schema<Params> schema() {
    return {{"width", &Params::width, one_of(16, 32, 64, 128).within(1, 4096),
             "channels of the first stage; doubled at each"},
            {"depth", &Params::depth, between(1, 4).within(1, 8), "number of stages"},
            {"layers", &Params::layers, between(1, 2).within(1, 8), "convolutions of a stage"},
            {"kernel", &Params::kernel, one_of(3, 5, 7).within(1, 31), "pixels, square"},
            {"separable", &Params::separable, yes_or_no(), "depthwise and 1x1 convolutions for full ones"},
            {"batch_norm", &Params::batch_norm, yes_or_no(), "normalise before the activation"},
            {"max_pooling", &Params::max_pooling, yes_or_no(), "halve by max pooling, else by a stride of 2"},
            {"dropout", &Params::dropout, between(0.0, 0.5).within(0.0, 0.95),
             "fraction of features zeroed after a stage"}};
  }

  static Value layer(Network& net, const Params& p, Value x, int64_t width, int64_t stride) {
    const ConvOptions options{.filters = width, .kernel = p.kernel, .stride = stride, .bias = !p.batch_norm};
    x = p.separable ? net.separable_conv(x, options) : net.conv(x, options);
    if (p.batch_norm) x = net.batch_norm(x);
    return net.relu(x);
  }

  static Value build(Network& net, const Params& p, Value x) {
    for (int64_t stage = 0; stage < p.depth; ++stage) {
      const auto part = net.part("stage" + std::to_string(stage + 1));
      const int64_t width = p.width << stage;
      for (int64_t i = 0; i < p.layers; ++i) {
        const bool halves = !p.max_pooling && i + 1 == p.layers;
        x = layer(net, p, x, width, halves ? 2 : 1);
      }
      // Padded, so that small pictures bear as many stages as a search tries.
      if (p.max_pooling) x = net.max_pool(x, {.padding = Padding::same});
      x = net.dropout(x, p.dropout);
    }
    return x;
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.block<Vanilla>("vanilla"); }
