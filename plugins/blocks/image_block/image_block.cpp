#include <espalier/block.h>

using namespace espalier;

namespace {

/// A picture's way from pixels to features, as AutoKeras' ImageBlock searches it: (C, H, W) -> what the family gives.
struct ImageBlock {
  static constexpr auto doc = "normalisation, augmentation and a family of networks in one";

  struct Params {
    bool normalize = true;
    bool augment = true;
    Slot family = {"vanilla"};
  };

  static Schema<Params> schema() {
    return {{"normalize", &Params::normalize, yes_or_no(), "mean 0 and deviation 1 per channel, else pixels in 0 to 1"},
            {"augment", &Params::augment, yes_or_no(), "mirrored and shifted views in training"},
            {"family", &Params::family, {"vanilla", "resnet", "xception", "efficientnet", "whitened"}, "the network"}};
  }

  static Value build(Network& net, const Params& p, Value x) {
    {
      const auto part = net.part("normalization");
      x = p.normalize ? net.normalize(x) : net.scale(x, 1.0 / 255.0);
    }
    if (p.augment) {
      const auto part = net.part("augmentation");
      x = net.random_translate(net.random_flip(x, true, false), 0.1, 0.1);
    }
    return net.block(p.family, x);
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.block<ImageBlock>("image_block"); }
