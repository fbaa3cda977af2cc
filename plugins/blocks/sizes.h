#pragma once

#include <espalier/shape.h>

#include <algorithm>
#include <cstdint>

namespace espalier {

/// The nearest multiple of 8 that is no less than nine tenths of what is asked for.
inline int64_t in_eights(double channels) {
  const auto nearest_multiple = std::max<int64_t>(8, static_cast<int64_t>(channels + 4) / 8 * 8);
  return static_cast<double>(nearest_multiple) < 0.9 * channels ? nearest_multiple + 8 : nearest_multiple;
}

/// Pictures of up to 64 pixels, which the strides of networks for ImageNet would shrink to nothing.
inline bool is_small_picture(const Shape& shape) { return shape.size() == 3 && std::max(shape[1], shape[2]) <= 64; }

}  // namespace espalier
