#include "../sizes.h"

#include <espalier/block.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>

using namespace espalier;

namespace {

/// EfficientNet, arXiv:1905.11946: (C, H, W) -> (1280 * width, H', W'). The lite versions
/// (github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite) have no squeeze and excitation, ReLU6, and a stem,
/// first stage, last stage and top that do not grow.
struct Efficientnet {
  static constexpr auto doc =
      "inverted residuals with squeeze and excitation, scaled together in width and depth (EfficientNet, EfficientNet-Lite)";

  struct Params {
    std::string version = "b0";
    int64_t stem_stride = 0;
    double drop_path = 0.2;
  };

  static Schema<Params> schema() {
    return {
        {"version", &Params::version, one_of("b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "lite0", "lite1", "lite2", "lite3", "lite4"),
         "compound scaling; lite: without squeeze and excitation, with ReLU6"},
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
    std::string_view version;
    double width;
    double depth;
    bool lite;
  };
  static constexpr Scaling scalings[] = {{"b0", 1.0, 1.0, false}, {"b1", 1.0, 1.1, false}, {"b2", 1.1, 1.2, false}, {"b3", 1.2, 1.4, false},
                                         {"b4", 1.4, 1.8, false}, {"b5", 1.6, 2.2, false}, {"b6", 1.8, 2.6, false}, {"b7", 2.0, 3.1, false},
                                         {"lite0", 1.0, 1.0, true}, {"lite1", 1.0, 1.1, true}, {"lite2", 1.1, 1.2, true},
                                         {"lite3", 1.2, 1.4, true}, {"lite4", 1.4, 1.8, true}};

  static Scaling scaling(const std::string& version) {
    const auto found = std::ranges::find(scalings, version, &Scaling::version);
    require(found != std::end(scalings), "E0207", "there is no efficientnet '" + version + "'; there are b0 to b7 and lite0 to lite4");
    return *found;
  }

  static int64_t wide(int64_t channels, const Scaling& s) { return in_eights(static_cast<double>(channels) * s.width); }
  static int64_t deep(const Stage& stage, const Scaling& s) {
    const bool grows = !s.lite || (&stage != std::begin(stages) && &stage != std::end(stages) - 1);
    return grows ? static_cast<int64_t>(std::ceil(static_cast<double>(stage.blocks) * s.depth)) : stage.blocks;
  }

  static Value norm(Network& net, const Scaling& s, Value x) {
    return s.lite ? net.batch_norm(x, {.momentum = 0.01, .epsilon = 1e-3}) : net.batch_norm(x);
  }
  static Value norm_activation(Network& net, const Scaling& s, Value x) {
    x = norm(net, s, x);
    return s.lite ? net.relu6(x) : net.silu(x);
  }

  /// Weighs channels by what they hold on average.
  static Value squeeze_and_excite(Network& net, Value x, int64_t squeezed) {
    Value gate = net.silu(net.dense(net.global_avg_pool(x), squeezed));
    gate = net.sigmoid(net.dense(gate, net.channels(x)));
    return net.multiply(x, gate);
  }

  static Value inverted_residual(Network& net, Value x, const Stage& stage, const Scaling& s, int64_t stride, double drop) {
    const int64_t channels = wide(stage.channels, s);
    const int64_t before = net.channels(x);
    Value y = x;
    if (stage.expand != 1) y = norm_activation(net, s, net.conv(y, {.filters = before * stage.expand, .kernel = 1}));
    y = norm_activation(net, s, net.depthwise_conv(y, stage.kernel, stride));
    if (!s.lite) y = squeeze_and_excite(net, y, std::max<int64_t>(1, before / 4));
    y = norm(net, s, net.conv(y, {.filters = channels, .kernel = 1}));
    if (stride != 1 || before != channels) return y;
    return net.add(x, net.drop_path(y, drop));
  }

  static Value stem(Network& net, const Params& p, const Scaling& s, Value x) {
    const auto part = net.part("stem");
    const int64_t stride = p.stem_stride != 0 ? p.stem_stride : is_small_picture(net.shape(x)) ? 1 : 2;
    return norm_activation(net, s, net.conv(x, {.filters = s.lite ? 32 : wide(32, s), .stride = stride}));
  }

  static Value build(Network& net, const Params& p, Value x) {
    const Scaling s = scaling(p.version);
    x = stem(net, p, s, x);
    int64_t total = 0;
    for (const Stage& stage : stages) total += deep(stage, s);
    int64_t number = 0;
    int64_t stage_number = 0;
    for (const Stage& stage : stages) {
      const auto stage_part = net.part("stage" + std::to_string(++stage_number));
      for (int64_t i = 0; i < deep(stage, s); ++i) {
        const auto block_part = net.part("block" + std::to_string(i + 1));
        const double drop = p.drop_path * static_cast<double>(number++) / static_cast<double>(total);
        x = inverted_residual(net, x, stage, s, i == 0 ? stage.stride : 1, drop);
      }
    }
    const auto part = net.part("top");
    return norm_activation(net, s, net.conv(x, {.filters = s.lite ? 1280 : 4 * net.channels(x), .kernel = 1}));
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.block<Efficientnet>("efficientnet"); }
