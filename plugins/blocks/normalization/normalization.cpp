#include <espalier/block.h>

using namespace espalier;

namespace {

/// Any shape -> the same, with mean 0 and standard deviation 1 per channel or feature.
struct Normalization {
  static constexpr auto doc = "subtracts a mean and divides by a standard deviation, of the training data unless given";

  struct Params {
    std::vector<double> mean = {};
    std::vector<double> std = {};
  };

  static Schema<Params> schema() {
    return {{"mean", &Params::mean, "per channel, pixels in 0 to 1; none: of the training data"},
            {"std", &Params::std, "per channel, pixels in 0 to 1; none: of the training data"}};
  }

  /// True if `x` still has the range of raw pixels, 0 to 255.
  static bool raw_pixels(const Network& net, Value x) {
    const Layer* layer = &net.layers().at(static_cast<size_t>(x.layer));
    while (layer->training_only || layer->op == "resize" || layer->op == "repeat_channels")
      layer = &net.layers().at(static_cast<size_t>(layer->in.at(0)));
    return layer->op == "input" && layer->set.at("type") == "uint8";
  }

  static Value build(Network& net, const Params& p, Value x) {
    if (!p.mean.empty() && raw_pixels(net, x)) x = net.scale(x, 1.0 / 255.0);
    return net.normalize(x, p.mean, p.std);
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.block<Normalization>("normalization"); }
