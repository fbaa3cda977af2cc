#pragma once

#include "espalier/engine/pixels.h"
#include "espalier/json.h"

#include <ATen/ATen.h>

namespace espalier::engine {

/// A change of a picture's colours; 1 and 0 change nothing.
struct ColourChange {
  double brightness = 1.0;  ///< multiplies the distance from black
  double contrast = 1.0;    ///< the distance from the picture's mean, in each channel
  double saturation = 1.0;  ///< the distance from grey of the same luma (ITU-R BT.601)
  double turn = 0.0;        ///< of the hue, radians: about the axis of greys, the luma is kept
};

/// One linear map of each pixel, cut off at black and white. Saturation and turn are for three channels alone.
void recolour(const float* from, float* to, const Extents& extents, const PixelScale& scale, const ColourChange& change);

/// A change for every sample within the settings "brightness", "contrast", "saturation" and "hue" (see ColourOptions).
at::Tensor random_colour(const Json& set, const at::Tensor& x, const PixelScale& scale, Random& random);

}  // namespace espalier::engine
