#pragma once

#include "espalier/engine/pixels.h"
#include "espalier/json.h"

#include <ATen/ATen.h>

namespace espalier::engine {

/// Where a pixel's value comes from: about the middle of the picture, in pixels,
/// x' = xx * x + xy * y + x0 and y' = yx * x + yy * y + y0.
struct Placement {
  float xx = 1.0F, xy = 0.0F, x0 = 0.0F;
  float yx = 0.0F, yy = 1.0F, y0 = 0.0F;
};

/// Turned by `turn` (radians), magnified by 1 / `size` and slanted by `shear` pixels to the side for each pixel down.
Placement placement(double turn, double size, double shear);

/// Bilinear; what lies outside is reflected, the border itself not repeated.
void resample(const float* from, float* to, const Extents& extents, const Placement& placement);

/// A placement for every sample within the settings "rotate", "zoom" and "shear" (see AffineOptions). Differentiable.
at::Tensor random_affine(const Json& set, const at::Tensor& x, Random& random);

}  // namespace espalier::engine
