#include "../sizes.h"

#include <espalier/block.h>

using namespace espalier;

namespace {

/// Residual networks, arXiv:1512.03385 (v1, the stride on the 3x3 convolution) and arXiv:1603.05027 (v2):
/// (C, H, W) -> (channels, H', W').
struct Resnet {
  static constexpr auto doc =
      "residual network: depths 8 to 56 of three stages for small pictures, 18, 34 and 50 of four";

  struct Params {
    std::string version = "v1";
    int64_t depth = 20;
    int64_t width = 0;
    std::string stem = "auto";
    double drop_path = 0.0;
  };

  static Schema<Params> schema() {
    return {{"version", &Params::version, one_of("v1", "v2"), "v2 normalises and activates before each convolution"},
            {"depth", &Params::depth, one_of(8, 14, 18, 20, 32, 34, 44, 50, 56), "number of weighted layers"},
            {"width", &Params::width, one_of(16, 32, 64).within(0, 1024),
             "channels of the first stage; 0: as published, 16 or 64"},
            {"stem", &Params::stem, one_of("auto", "small", "full"),
             "full shrinks the picture to a quarter; auto: above 64 pixels"},
            {"drop_path", &Params::drop_path, one_of(0.0, 0.1, 0.2).within(0.0, 0.95),
             "share of samples for which the last branch is skipped"}};
  }

  struct Plan {
    std::vector<int64_t> stages;  ///< blocks of each
    int64_t width = 0;
    bool bottleneck = false;
    bool small_stem = false;
    bool first_activated = false;  ///< v2: activate before each convolution
    double drop_path = 0.0;
  };

  static Plan plan(const Params& p, const Shape& shape) {
    Plan out;
    out.bottleneck = p.depth == 50;
    const bool four_stages = p.depth == 18 || p.depth == 34 || p.depth == 50;
    if (p.depth == 18)
      out.stages = {2, 2, 2, 2};
    else if (four_stages)
      out.stages = {3, 4, 6, 3};
    else
      out.stages = std::vector<int64_t>(3, (p.depth - 2) / 6);
    out.width = p.width != 0 ? p.width : four_stages ? 64 : 16;
    out.small_stem = p.stem == "small" || (p.stem == "auto" && (is_small_picture(shape) || !four_stages));
    out.first_activated = p.version == "v2";
    out.drop_path = p.drop_path;
    return out;
  }

  static Value norm_relu(Network& net, Value x) { return net.relu(net.batch_norm(x)); }

  static Value stem(Network& net, const Plan& plan, Value x) {
    const auto part = net.part("stem");
    x = plan.small_stem ? net.conv(x, {.filters = plan.width})
                        : net.conv(x, {.filters = plan.width, .kernel = 7, .stride = 2});
    if (!plan.first_activated) x = norm_relu(net, x);
    return plan.small_stem ? x : net.max_pool(x, {.kernel = 3, .padding = Padding::same});
  }

  /// The convolutions of a block as (filters, kernel, stride).
  static std::vector<ConvOptions> convolutions(const Plan& plan, int64_t width, int64_t stride) {
    if (!plan.bottleneck) return {{.filters = width, .stride = stride}, {.filters = width}};
    return {{.filters = width, .kernel = 1}, {.filters = width, .stride = stride}, {.filters = 4 * width, .kernel = 1}};
  }

  static Value block(Network& net, const Plan& plan, Value x, int64_t width, int64_t stride, double drop) {
    const std::vector<ConvOptions> convs = convolutions(plan, width, stride);
    const bool project = stride != 1 || net.channels(x) != convs.back().filters;
    Value y = plan.first_activated ? norm_relu(net, x) : x;
    Value shortcut = x;
    if (project) shortcut = net.conv(y, {.filters = convs.back().filters, .kernel = 1, .stride = stride});
    if (project && !plan.first_activated) shortcut = net.batch_norm(shortcut);
    for (size_t i = 0; i < convs.size(); ++i) {
      if (plan.first_activated && i > 0) y = norm_relu(net, y);
      y = net.conv(y, convs[i]);
      if (!plan.first_activated) y = i + 1 < convs.size() ? norm_relu(net, y) : net.batch_norm(y);
    }
    const Value sum = net.add(shortcut, net.drop_path(y, drop));
    return plan.first_activated ? sum : net.relu(sum);
  }

  static Value build(Network& net, const Params& p, Value x) {
    const Plan plan = Resnet::plan(p, net.shape(x));
    x = stem(net, plan, x);
    int64_t total = 0;
    for (const int64_t blocks : plan.stages) total += blocks;
    int64_t number = 0;
    for (size_t stage = 0; stage < plan.stages.size(); ++stage) {
      const auto stage_part = net.part("stage" + std::to_string(stage + 1));
      for (int64_t i = 0; i < plan.stages[stage]; ++i) {
        const auto block_part = net.part("block" + std::to_string(i + 1));
        const double drop = plan.drop_path * static_cast<double>(++number) / static_cast<double>(total);
        x = block(net, plan, x, plan.width << stage, stage > 0 && i == 0 ? 2 : 1, drop);
      }
    }
    const auto part = net.part("end");
    return plan.first_activated ? norm_relu(net, x) : x;
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.block<Resnet>("resnet"); }
