#include "../sizes.h"

#include <espalier/block.h>

#include <algorithm>

using namespace espalier;

namespace {

/// MobileNet v2, arXiv:1801.04381: (C, H, W) -> (1280 * width, H', W'). MobileNet v3, arXiv:1905.02244, which pools before
/// its last layer: (C, H, W) -> (1024 or 1280 * width).
struct Mobilenet {
  static constexpr auto doc = "inverted residuals, cheap on small processors (MobileNet v2 and v3)";

  struct Params {
    std::string version = "v3_small";
    double width = 1.0;
    int64_t halvings = 0;
    double drop_path = 0.0;
  };

  static Schema<Params> schema() {
    return {{"version", &Params::version, one_of("v2", "v3_small", "v3_large"), "the published network"},
            {"width", &Params::width, one_of(0.5, 0.75, 1.0, 1.4).within(0.05, 4.0), "factor of the published channels"},
            {"halvings", &Params::halvings, legal(0, 5),
             "of the picture, the first of the published five are left out; 0: 3 up to 64 pixels, else 5"},
            {"drop_path", &Params::drop_path, one_of(0.0, 0.2).within(0.0, 0.95),
             "share of samples for which the last branch is skipped"}};
  }

  /// An inverted residual: 1x1 to `expanded` channels, depthwise, squeeze and excitation where `gated`, 1x1 to `channels`.
  struct Unit {
    int64_t kernel;
    int64_t expanded;
    int64_t channels;
    bool gated;
    const char* activation;
    int64_t stride;
  };

  struct Plan {
    int64_t stem = 0;
    const char* activation = "hard_swish";  ///< of stem and top
    std::vector<Unit> units;
    int64_t top = 0;   ///< channels of the last convolution
    int64_t last = 0;  ///< features of the layer behind the pooling; 0: there is none
  };

  static constexpr int64_t kHalvings = 5;
  static constexpr auto kRelu = "relu";
  static constexpr auto kRelu6 = "relu6";
  static constexpr auto kSwish = "hard_swish";

  static std::vector<Unit> published_v3(bool large) {
    if (!large)
      return {{3, 16, 16, true, kRelu, 2},    {3, 72, 24, false, kRelu, 2},   {3, 88, 24, false, kRelu, 1},
              {5, 96, 40, true, kSwish, 2},   {5, 240, 40, true, kSwish, 1},  {5, 240, 40, true, kSwish, 1},
              {5, 120, 48, true, kSwish, 1},  {5, 144, 48, true, kSwish, 1},  {5, 288, 96, true, kSwish, 2},
              {5, 576, 96, true, kSwish, 1},  {5, 576, 96, true, kSwish, 1}};
    return {{3, 16, 16, false, kRelu, 1},   {3, 64, 24, false, kRelu, 2},   {3, 72, 24, false, kRelu, 1},
            {5, 72, 40, true, kRelu, 2},    {5, 120, 40, true, kRelu, 1},   {5, 120, 40, true, kRelu, 1},
            {3, 240, 80, false, kSwish, 2}, {3, 200, 80, false, kSwish, 1}, {3, 184, 80, false, kSwish, 1},
            {3, 184, 80, false, kSwish, 1}, {3, 480, 112, true, kSwish, 1}, {3, 672, 112, true, kSwish, 1},
            {5, 672, 160, true, kSwish, 2}, {5, 960, 160, true, kSwish, 1}, {5, 960, 160, true, kSwish, 1}};
  }

  static Plan plan_v3(bool large, double width) {
    const auto wide = [&](int64_t channels) { return in_eights(static_cast<double>(channels) * width); };
    Plan plan{.stem = wide(16), .units = published_v3(large)};
    // Expansions are the published shares of what goes in, which is rounded.
    int64_t published = 16;
    int64_t before = plan.stem;
    for (Unit& unit : plan.units) {
      const double share = static_cast<double>(unit.expanded) / static_cast<double>(published);
      published = unit.channels;
      unit.expanded = in_eights(share * static_cast<double>(before));
      unit.channels = before = wide(unit.channels);
    }
    plan.top = 6 * plan.units.back().channels;
    plan.last = in_eights((large ? 1280 : 1024) * std::max(1.0, width));
    return plan;
  }

  static Plan plan_v2(double width) {
    struct Stage {
      int64_t expand;
      int64_t channels;
      int64_t units;
      int64_t stride;
    };
    static constexpr Stage stages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                                       {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
    Plan plan{.stem = in_eights(32 * width), .activation = kRelu6};
    int64_t before = plan.stem;
    for (const Stage& stage : stages) {
      const int64_t channels = in_eights(static_cast<double>(stage.channels) * width);
      for (int64_t i = 0; i < stage.units; ++i) {
        plan.units.push_back({3, stage.expand * before, channels, false, kRelu6, i == 0 ? stage.stride : 1});
        before = channels;
      }
    }
    plan.top = in_eights(1280 * std::max(1.0, width));
    return plan;
  }

  static Value normed(Network& net, Value x, const char* activation) {
    return net.activation(net.batch_norm(x), activation);
  }

  /// Weighs channels by what they hold on average.
  static Value squeeze_and_excite(Network& net, Value x) {
    const int64_t channels = net.channels(x);
    const int64_t squeezed = in_eights(static_cast<double>(channels) / 4);
    const Value gate = net.dense(net.relu(net.dense(net.global_avg_pool(x), squeezed)), channels);
    return net.multiply(x, net.hard_sigmoid(gate));
  }

  static Value inverted_residual(Network& net, Value x, const Unit& unit, int64_t stride, double drop) {
    const int64_t before = net.channels(x);
    Value y = x;
    if (unit.expanded != before)
      y = normed(net, net.conv(y, {.filters = unit.expanded, .kernel = 1}), unit.activation);
    y = normed(net, net.depthwise_conv(y, unit.kernel, stride), unit.activation);
    if (unit.gated) y = squeeze_and_excite(net, y);
    y = net.batch_norm(net.conv(y, {.filters = unit.channels, .kernel = 1}));
    if (stride != 1 || before != unit.channels) return y;
    return net.add(x, net.drop_path(y, drop));
  }

  static Value build(Network& net, const Params& p, Value x) {
    const Plan plan = p.version == "v2" ? plan_v2(p.width) : plan_v3(p.version == "v3_large", p.width);
    int64_t skipped = kHalvings - (p.halvings != 0 ? p.halvings : is_small_picture(net.shape(x)) ? 3 : kHalvings);
    const auto stride_of = [&](int64_t published) { return published == 2 && skipped-- > 0 ? 1 : published; };
    {
      const auto part = net.part("stem");
      x = normed(net, net.conv(x, {.filters = plan.stem, .stride = stride_of(2)}), plan.activation);
    }
    for (size_t i = 0; i < plan.units.size(); ++i) {
      const auto part = net.part("unit" + std::to_string(i + 1));
      const double drop = p.drop_path * static_cast<double>(i + 1) / static_cast<double>(plan.units.size());
      x = inverted_residual(net, x, plan.units[i], stride_of(plan.units[i].stride), drop);
    }
    const auto part = net.part("top");
    x = normed(net, net.conv(x, {.filters = plan.top, .kernel = 1}), plan.activation);
    if (plan.last == 0) return x;
    return net.activation(net.dense(net.global_avg_pool(x), plan.last), plan.activation);
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.block<Mobilenet>("mobilenet"); }
