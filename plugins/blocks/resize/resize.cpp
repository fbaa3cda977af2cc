#include <espalier/block.h>

using namespace espalier;

namespace {

/// (C, H, W) -> (C, height, width). A training that begins with small pictures is shorter (progressive resizing, as in
/// arXiv:2104.00298).
struct Resize {
  static constexpr auto doc = "scales pictures, bilinearly; in training they may grow to their size";

  struct Params {
    std::vector<int64_t> size = {64, 64};
    double start = 1.0;
    double until = 0.7;
  };

  static Schema<Params> schema() {
    return {{"size", &Params::size, legal(1, 4096), "height and width in pixels; one number: both"},
            {"start", &Params::start, one_of(0.5, 0.75, 1.0).within(0.1, 1.0), "share of the size with which a training begins"},
            {"until", &Params::until, one_of(0.4, 0.7).within(0.0, 1.0), "share of the training after which pictures have their size"}};
  }

  static Value build(Network& net, const Params& p, Value x) {
    require(p.size.size() == 1 || p.size.size() == 2, "E0207",
            "resize takes a size of one or two numbers, not " + std::to_string(p.size.size()));
    const Shape whole = {net.channels(x), p.size.front(), p.size.back()};
    if (net.shape(x) != whole) x = net.resize(x, p.size.front(), p.size.back());
    return net.growing(x, p.start, p.until);
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.block<Resize>("resize"); }
