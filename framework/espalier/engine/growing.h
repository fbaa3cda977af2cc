#pragma once

#include "espalier/json.h"

#include <ATen/ATen.h>

namespace espalier::engine {

/// Height or width of pictures that grow from `start` of `extent`, with the progress of the training (0 to 1) until `until` of
/// it: in eighths of the extent, so that few shapes are met.
int64_t grown_extent(int64_t extent, double start, double until, double progress);

/// Pictures (B, C, H, W) as small as the operation "growing" has them at that progress.
at::Tensor grown(const at::Tensor& x, const Json& set, double progress);

}  // namespace espalier::engine
