#include "../sizes.h"

#include <espalier/block.h>

#include <algorithm>
#include <cmath>

using namespace espalier;

namespace {

/// Xception, arXiv:1610.02357: (C, H, W) -> (2048 * width, H', W').
struct Xception {
  static constexpr auto doc = "residual network of separable convolutions (Xception)";

  struct Params {
    double width = 1.0;
    int64_t middle = 8;
  };

  static Schema<Params> schema() {
    return {{"width", &Params::width, one_of(0.25, 0.5, 1.0).within(0.05, 2.0), "factor of the published channels"},
            {"middle", &Params::middle, one_of(2, 4, 8).within(0, 32), "blocks of the middle flow"}};
  }

  /// Published channels times the factor, in multiples of 8.
  static int64_t scaled(const Params& p, int64_t channels) {
    return std::max<int64_t>(8, std::llround(static_cast<double>(channels) * p.width / 8) * 8);
  }

  static Value separable(Network& net, Value x, int64_t filters) {
    return net.batch_norm(net.separable_conv(x, {.filters = filters}));
  }

  /// The stem; pictures up to 64 pixels keep their extents.
  static Value stem(Network& net, const Params& p, Value x) {
    const auto part = net.part("stem");
    const bool small = is_small_picture(net.shape(x));
    const Padding padding = small ? Padding::same : Padding::valid;
    x = net.conv(x, {.filters = scaled(p, 32), .stride = small ? 1 : 2, .padding = padding});
    x = net.relu(net.batch_norm(x));
    x = net.conv(x, {.filters = scaled(p, 64), .padding = padding});
    return net.relu(net.batch_norm(x));
  }

  /// Two separable convolutions, halved by pooling, beside a projection.
  static Value halving(Network& net, Value x, int64_t first, int64_t second, bool activate) {
    const Value shortcut = net.batch_norm(net.conv(x, {.filters = second, .kernel = 1, .stride = 2}));
    if (activate) x = net.relu(x);
    x = separable(net, x, first);
    x = separable(net, net.relu(x), second);
    x = net.max_pool(x, {.kernel = 3, .padding = Padding::same});
    return net.add(x, shortcut);
  }

  static Value build(Network& net, const Params& p, Value x) {
    x = stem(net, p, x);
    bool activate = false;
    for (const int64_t channels : {128, 256, 728}) {
      const auto part = net.part("entry" + std::to_string(channels));
      x = halving(net, x, scaled(p, channels), scaled(p, channels), activate);
      activate = true;
    }
    for (int64_t i = 0; i < p.middle; ++i) {
      const auto part = net.part("middle" + std::to_string(i + 1));
      Value y = x;
      for (int k = 0; k < 3; ++k) y = separable(net, net.relu(y), scaled(p, 728));
      x = net.add(y, x);
    }
    const auto part = net.part("exit");
    x = halving(net, x, scaled(p, 728), scaled(p, 1024), true);
    x = net.relu(separable(net, x, scaled(p, 1536)));
    return net.relu(separable(net, x, scaled(p, 2048)));
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.block<Xception>("xception"); }
