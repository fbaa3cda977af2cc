#include <espalier/block.h>

#include <cmath>

using namespace espalier;

namespace {

/// The airbench family (arXiv:2404.00498): patches of two pixels are whitened by a frozen convolution taken from the training
/// split, then groups of convolutions that begin as the identity, each halving the picture: (C, H, W) -> (widths.back() *
/// scale, H / 2^groups, W / 2^groups). Learns fast; its head pools by the maximum and scales its logits down.
struct Whitened {
  static constexpr auto doc = "whitened patches, then groups of convolutions that begin as the identity";

  struct Params {
    std::vector<int64_t> widths = {32, 64, 128};
    double scale = 1.0;
    int64_t depth = 2;
    std::string activation = "silu";
    double norm_momentum = 0.4;
    bool bias = true;
    bool whitening = true;
    std::string init = "dirac";
  };

  static Schema<Params> schema() {
    return {{"widths", &Params::widths, legal(1, 4096), "channels of each group"},
            {"scale", &Params::scale, one_of(0.5, 1.0, 2.0).within(0.05, 16.0), "multiplies the widths"},
            {"depth", &Params::depth, between(2, 3).within(1, 8), "convolutions of a group; from the third on with a shortcut"},
            {"activation", &Params::activation, one_of("silu", "gelu", "relu"), "after each batch norm"},
            {"norm_momentum", &Params::norm_momentum, one_of(0.1, 0.4).within(0.001, 1.0),
             "weight of the new batch in the running statistics"},
            {"bias", &Params::bias, Domain{},
             "the whitening has a bias that learns; without it nothing of the first convolutions needs a gradient, and a step is shorter"},
            {"whitening", &Params::whitening, Domain{}, "the first filters are whitening ones and stay so; false: they begin at random and are trained"},
            {"init", &Params::init, one_of("dirac", "kaiming_uniform"), "how the filters of the groups begin"}};
  }

  static Value normed_conv(Network& net, const Params& p, Value x, int64_t width, bool halves, bool activates) {
    x = net.conv(x, {.filters = width, .init = p.init});
    if (halves) x = net.max_pool(x);
    x = net.batch_norm(x, {.momentum = p.norm_momentum, .scale = false});
    return activates ? net.activation(x, p.activation) : x;
  }

  static Value build(Network& net, const Params& p, Value x) {
    {
      const auto part = net.part("whitening");
      x = net.conv(x, {.filters = 8 * net.channels(x), .kernel = 2, .padding = Padding::valid, .bias = p.bias,
                       .init = p.whitening ? "whitening" : "kaiming_uniform", .trained = !p.whitening});
      x = net.activation(x, p.activation);
    }
    for (size_t group = 0; group < p.widths.size(); ++group) {
      const auto part = net.part("group" + std::to_string(group + 1));
      const int64_t width = std::max<int64_t>(std::llround(static_cast<double>(p.widths[group]) * p.scale), 1);
      x = normed_conv(net, p, x, width, true, true);
      const Value shortcut = x;
      for (int64_t i = 1; i < p.depth; ++i) {
        const bool joins = p.depth > 2 && i + 1 == p.depth;
        x = normed_conv(net, p, x, width, false, !joins);
        if (joins) x = net.activation(net.add(x, shortcut), p.activation);
      }
    }
    return x;
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.block<Whitened>("whitened"); }
