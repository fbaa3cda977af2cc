#include <espalier/block.h>

using namespace espalier;

namespace {

/// (C, H, W) -> the same: another view of each picture in each epoch of training, the picture itself otherwise. What turns,
/// resizes and shears is one resampling. The parts are in the order of the settings.
struct Augmentation {
  static constexpr auto doc = "random views of pictures, in training only";

  struct Params {
    std::string flip = "horizontal";
    double translate = 0.0;
    int64_t operations = 0;
    double magnitude = 9.0;
    double rotate = 0.0;
    double zoom = 0.0;
    double shear = 0.0;
    double brightness = 0.0;
    double contrast = 0.0;
    double saturation = 0.0;
    double hue = 0.0;
    double cutout = 0.0;
    double erase = 0.0;
    std::string fill = "mean";
  };

  static Schema<Params> schema() {
    return {{"flip", &Params::flip, one_of("horizontal", "none", "both", "alternating"),
             "mirror half of the pictures; alternating: the other half in the next epoch"},
            {"translate", &Params::translate, one_of(0.0, 0.05, 0.1, 0.2).within(0.0, 0.5), "largest shift, fraction of the extent"},
            {"operations", &Params::operations, one_of(0, 1, 2, 3).within(0, 14),
             "RandAugment: how many of its 14 operations each picture goes through (arXiv:1909.13719)"},
            {"magnitude", &Params::magnitude, one_of(5.0, 9.0, 15.0).within(0.0, 30.0), "of RandAugment's operations; only where there are some"},
            {"rotate", &Params::rotate, one_of(0.0, 0.03, 0.1).within(0.0, 0.5), "largest angle, fraction of a turn"},
            {"zoom", &Params::zoom, one_of(0.0, 0.1, 0.2).within(0.0, 0.9), "largest change of size, fraction of the extent"},
            {"shear", &Params::shear, one_of(0.0, 0.1, 0.2).within(0.0, 1.0), "largest slant, pixels to the side for each pixel down"},
            {"brightness", &Params::brightness, one_of(0.0, 0.1, 0.2, 0.4).within(0.0, 1.0), "largest change of brightness, fraction"},
            {"contrast", &Params::contrast, one_of(0.0, 0.1, 0.2).within(0.0, 0.9), "largest change of contrast, fraction"},
            // Without a domain: a search that is free to try all must not try what grey pictures do not have.
            {"saturation", &Params::saturation, legal(0.0, 1.0), "largest change of saturation, fraction; pictures of red, green and blue alone"},
            {"hue", &Params::hue, legal(0.0, 0.5), "largest change of hue, fraction of a turn; pictures of red, green and blue alone"},
            {"cutout", &Params::cutout, one_of(0.0, 0.25, 0.5).within(0.0, 1.0),
             "side of a square covered in every picture, fraction of the extent (arXiv:1708.04552)"},
            {"erase", &Params::erase, one_of(0.0, 0.25, 0.5).within(0.0, 1.0),
             "fraction of pictures of which a rectangle of 2 to 40 % is covered (arXiv:1708.04896)"},
            {"fill", &Params::fill, one_of("mean", "zero", "noise"),
             "what covers: the picture's mean, zero (after a normalization the mean of all pictures), or noise"}};
  }

  static Value build(Network& net, const Params& p, Value x) {
    x = p.flip == "alternating" ? net.alternating_flip(x) : net.random_flip(x, p.flip != "none", p.flip == "both");
    x = net.random_translate(x, p.translate, p.translate);
    x = net.random_operations(x, p.operations, p.magnitude);
    x = net.random_affine(x, {.rotate = p.rotate, .zoom = p.zoom, .shear = p.shear});
    x = net.random_colour(x, {.brightness = p.brightness, .contrast = p.contrast, .saturation = p.saturation, .hue = p.hue});
    const double covered = p.cutout * p.cutout;
    x = net.random_erase(x, {.least_area = covered, .most_area = covered, .most_ratio = 1.0, .clipped = true, .fill = p.fill});
    return net.random_erase(x, {.probability = p.erase, .fill = p.fill});
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.block<Augmentation>("augmentation"); }
