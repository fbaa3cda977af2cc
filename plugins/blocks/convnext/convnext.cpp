#include "../sizes.h"

#include <espalier/block.h>

#include <algorithm>
#include <array>
#include <iterator>

using namespace espalier;

namespace {

/// ConvNeXt, arXiv:2201.03545, and its narrow versions atto to nano with the widths of arXiv:2301.00808:
/// (C, H, W) -> (8 * width), pooled before the last norm, as published.
struct Convnext {
  static constexpr auto doc = "wide depthwise windows, layer norm and inverted bottlenecks (ConvNeXt)";

  struct Params {
    std::string version = "atto";
    int64_t width = 0;
    int64_t patch = 0;
    double layer_scale = 1e-6;
    double drop_path = 0.1;
  };

  static Schema<Params> schema() {
    return {{"version", &Params::version, one_of("atto", "femto", "pico", "nano", "tiny", "small", "base"),
             "the published widths and depths"},
            {"width", &Params::width, one_of(0, 32, 64).within(0, 1024), "channels of the first stage; 0: as published"},
            {"patch", &Params::patch, legal(0, 16), "pixels of a patch of the stem, square; 0: 2 up to 64 pixels, else 4"},
            {"layer_scale", &Params::layer_scale, one_of(0.0, 1e-6, 0.1).within(0.0, 1.0),
             "first factor of each branch, per channel; 0: none"},
            {"drop_path", &Params::drop_path, one_of(0.0, 0.1, 0.4).within(0.0, 0.95),
             "share of samples for which the last branch is skipped"}};
  }

  struct Version {
    const char* name;
    int64_t width;
    std::array<int64_t, 4> depths;
  };
  static constexpr Version versions[] = {{"atto", 40, {2, 2, 6, 2}},  {"femto", 48, {2, 2, 6, 2}},
                                         {"pico", 64, {2, 2, 6, 2}},  {"nano", 80, {2, 2, 8, 2}},
                                         {"tiny", 96, {3, 3, 9, 3}},  {"small", 96, {3, 3, 27, 3}},
                                         {"base", 128, {3, 3, 27, 3}}};
  static constexpr double kEpsilon = 1e-6;

  static Version version_of(const Params& p) {
    const auto* found = std::ranges::find(versions, p.version, &Version::name);
    require(found != std::end(versions), "E0207", "there is no convnext '" + p.version + "'");
    Version out = *found;
    if (p.width != 0) out.width = p.width;
    return out;
  }

  static Value block(Network& net, const Params& p, Value x, double drop) {
    const int64_t width = net.channels(x);
    Value y = net.conv(x, {.filters = width, .kernel = 7, .groups = width, .bias = true});
    y = net.layer_norm(y, kEpsilon);
    y = net.gelu(net.conv(y, {.filters = 4 * width, .kernel = 1, .bias = true}));
    y = net.conv(y, {.filters = width, .kernel = 1, .bias = true});
    if (p.layer_scale > 0.0) y = net.channel_scale(y, p.layer_scale);
    return net.add(x, net.drop_path(y, drop));
  }

  static Value build(Network& net, const Params& p, Value x) {
    const Version version = version_of(p);
    {
      const auto part = net.part("stem");
      const int64_t patch = p.patch != 0 ? p.patch : is_small_picture(net.shape(x)) ? 2 : 4;
      x = net.layer_norm(net.conv(x, {.filters = version.width, .kernel = patch, .stride = patch, .bias = true}), kEpsilon);
    }
    int64_t total = 0;
    for (const int64_t depth : version.depths) total += depth;
    int64_t number = 0;
    for (size_t stage = 0; stage < version.depths.size(); ++stage) {
      const auto stage_part = net.part("stage" + std::to_string(stage + 1));
      if (stage > 0)
        x = net.conv(net.layer_norm(x, kEpsilon), {.filters = version.width << stage, .kernel = 2, .stride = 2, .bias = true});
      for (int64_t i = 0; i < version.depths[stage]; ++i) {
        const auto block_part = net.part("block" + std::to_string(i + 1));
        x = block(net, p, x, p.drop_path * static_cast<double>(number++) / static_cast<double>(total - 1));
      }
    }
    const auto part = net.part("end");
    return net.layer_norm(net.global_avg_pool(x), kEpsilon);
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.block<Convnext>("convnext"); }
