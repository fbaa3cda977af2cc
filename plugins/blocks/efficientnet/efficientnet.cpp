#include "../sizes.h"

#include <espalier/block.h>

#include <algorithm>
#include <cmath>

using namespace espalier;

namespace {

/// EfficientNet, arXiv:1905.11946: (C, H, W) -> (1280 * width, H', W').
struct Efficientnet {
  static constexpr auto doc =
      "inverted residuals with squeeze and excitation, scaled together in width and depth (EfficientNet)";

  struct Params {
    std::string version = "b0";
    int64_t stem_stride = 0;
    double drop_path = 0.2;
  };

  static Schema<Params> schema() {
    return {
        {"version", &Params::version, one_of("b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7"), "compound scaling"},
        {"stem_stride", &Params::stem_stride, legal(0, 2), "of the first convolution; 0: 1 up to 64 pixels, else 2"},
        {"drop_path", &Params::drop_path, one_of(0.0, 0.2).within(0.0, 0.95),
         "share of samples for which the last branch is skipped"}};
  }

  /// A stage of the smallest version.
  struct Stage {
    int64_t expand;
    int64_t kernel;
    int64_t stride;
    int64_t channels;
    int64_t blocks;
  };
  static constexpr Stage stages[] = {{1, 3, 1, 16, 1},  {6, 3, 2, 24, 2},  {6, 5, 2, 40, 2}, {6, 3, 2, 80, 3},
                                     {6, 5, 1, 112, 3}, {6, 5, 2, 192, 4}, {6, 3, 1, 320, 1}};

  struct Scaling {
    double width;
    double depth;
  };
  static constexpr Scaling scalings[] = {{1.0, 1.0}, {1.0, 1.1}, {1.1, 1.2}, {1.2, 1.4},
                                         {1.4, 1.8}, {1.6, 2.2}, {1.8, 2.6}, {2.0, 3.1}};

  static Scaling scaling(const std::string& version) {
    const bool known = version.size() == 2 && version[0] == 'b' && version[1] >= '0' && version[1] <= '7';
    require(known, "E0207", "there is no efficientnet '" + version + "'; there are b0 to b7");
    return scalings[version[1] - '0'];
  }

  static int64_t wide(int64_t channels, const Scaling& s) { return in_eights(static_cast<double>(channels) * s.width); }
  static int64_t deep(int64_t blocks, const Scaling& s) {
    return static_cast<int64_t>(std::ceil(static_cast<double>(blocks) * s.depth));
  }

  static Value norm_silu(Network& net, Value x) { return net.silu(net.batch_norm(x)); }

  /// Weighs channels by what they hold on average.
  static Value squeeze_and_excite(Network& net, Value x, int64_t squeezed) {
    Value gate = net.silu(net.dense(net.global_avg_pool(x), squeezed));
    gate = net.sigmoid(net.dense(gate, net.channels(x)));
    return net.multiply(x, gate);
  }

  static Value inverted_residual(Network& net, Value x, const Stage& stage, int64_t stride, int64_t channels,
                                 double drop) {
    const int64_t before = net.channels(x);
    Value y = x;
    if (stage.expand != 1) y = norm_silu(net, net.conv(y, {.filters = before * stage.expand, .kernel = 1}));
    y = norm_silu(net, net.depthwise_conv(y, stage.kernel, stride));
    y = squeeze_and_excite(net, y, std::max<int64_t>(1, before / 4));
    y = net.batch_norm(net.conv(y, {.filters = channels, .kernel = 1}));
    if (stride != 1 || before != channels) return y;
    return net.add(x, net.drop_path(y, drop));
  }

  static Value stem(Network& net, const Params& p, const Scaling& s, Value x) {
    const auto part = net.part("stem");
    const int64_t stride = p.stem_stride != 0 ? p.stem_stride : is_small_picture(net.shape(x)) ? 1 : 2;
    return norm_silu(net, net.conv(x, {.filters = wide(32, s), .stride = stride}));
  }

  static Value build(Network& net, const Params& p, Value x) {
    const Scaling s = scaling(p.version);
    x = stem(net, p, s, x);
    int64_t total = 0;
    for (const Stage& stage : stages) total += deep(stage.blocks, s);
    int64_t number = 0;
    int64_t stage_number = 0;
    for (const Stage& stage : stages) {
      const auto stage_part = net.part("stage" + std::to_string(++stage_number));
      for (int64_t i = 0; i < deep(stage.blocks, s); ++i) {
        const auto block_part = net.part("block" + std::to_string(i + 1));
        const double drop = p.drop_path * static_cast<double>(number++) / static_cast<double>(total);
        x = inverted_residual(net, x, stage, i == 0 ? stage.stride : 1, wide(stage.channels, s), drop);
      }
    }
    const auto part = net.part("top");
    return norm_silu(net, net.conv(x, {.filters = 4 * net.channels(x), .kernel = 1}));
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.block<Efficientnet>("efficientnet"); }
