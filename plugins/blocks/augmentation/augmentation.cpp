#include <espalier/block.h>

using namespace espalier;

namespace {

/// (C, H, W) -> the same: another view of each picture in each epoch of training, the picture itself otherwise.
struct Augmentation {
  static constexpr auto doc = "random views of pictures, in training only";

  struct Params {
    std::string flip = "horizontal";
    double translate = 0.0;
    double rotate = 0.0;
    double zoom = 0.0;
    double contrast = 0.0;
  };

  static Schema<Params> schema() {
    return {{"flip", &Params::flip, one_of("horizontal", "none", "both", "alternating"), "mirror half of the pictures; alternating: the other half in the next epoch"},
            {"translate", &Params::translate, one_of(0.0, 0.05, 0.1, 0.2).within(0.0, 0.5),
             "largest shift, fraction of the extent"},
            {"rotate", &Params::rotate, one_of(0.0, 0.03, 0.1).within(0.0, 0.5), "largest angle, fraction of a turn"},
            {"zoom", &Params::zoom, one_of(0.0, 0.1, 0.2).within(0.0, 0.9),
             "largest change of size, fraction of the extent"},
            {"contrast", &Params::contrast, one_of(0.0, 0.1, 0.2).within(0.0, 0.9),
             "largest change of contrast, fraction"}};
  }

  static Value build(Network& net, const Params& p, Value x) {
    x = p.flip == "alternating" ? net.alternating_flip(x) : net.random_flip(x, p.flip != "none", p.flip == "both");
    x = net.random_translate(x, p.translate, p.translate);
    x = net.random_rotate(x, p.rotate);
    x = net.random_zoom(x, p.zoom);
    return net.random_contrast(x, p.contrast);
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.block<Augmentation>("augmentation"); }
