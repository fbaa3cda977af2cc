#pragma once

#include "espalier/engine/pixels.h"
#include "espalier/json.h"

#include <ATen/ATen.h>

namespace espalier::engine {

/// Covers a rectangle of each picture, or of some (see EraseOptions for the settings).
at::Tensor random_erase(const Json& set, const at::Tensor& x, const PixelScale& scale, Random& random);

}  // namespace espalier::engine
