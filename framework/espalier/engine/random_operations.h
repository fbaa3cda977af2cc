#pragma once

#include "espalier/engine/pixels.h"
#include "espalier/json.h"

#include <ATen/ATen.h>

#include <string>
#include <vector>

namespace espalier::engine {

/// The set of RandAugment (arXiv:1909.13719, appendix): identity, auto_contrast, equalize, rotate, solarize, colour, posterize,
/// contrast, brightness, sharpness, shear_x, shear_y, translate_x and translate_y.
const std::vector<std::string>& picture_operations();

/// One of them on a picture of bytes, 0 to 255. `strength` is 0 to 1: at 1 it turns by 30 degrees, slants by 0.3, shifts by
/// 0.45 of the extent, keeps 4 bits, inverts all, and colours differ by 0.9; `random` says which way. What comes from outside
/// is reflected. Grey pictures have no `colour` to change. Throws
/// E0430 for another name.
void apply_operation(const std::string& name, double strength, const float* from, float* to, const Extents& extents, Random& random);

/// Each picture goes through "operations" of the set, drawn with replacement, of strength "magnitude" / 30.
at::Tensor random_operations(const Json& set, const at::Tensor& x, const PixelScale& scale, Random& random);

}  // namespace espalier::engine
