#pragma once

#include "espalier/engine/pixels.h"
#include "espalier/engine/randomness.h"
#include "espalier/json.h"

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace espalier::engine {

/// Applies an operation "random_..." with its settings to pictures (B, C, H, W); every sample draws its own numbers. `scale`
/// is asked by those that need pixels. Throws E0430 for another name.
at::Tensor augment(const std::string& op, const Json& set, const at::Tensor& x, const std::function<PixelScale()>& scale, Randomness& randomness);

/// Mirrors half of the samples in the first epoch, the other half in the second, and so on (arXiv:2404.00498, section 3.6):
/// which half a sample is in depends on its row and `seed` alone. Without rows, positions in the batch stand for them.
at::Tensor alternating_flip(const at::Tensor& x, std::span<const int64_t> rows, int64_t epoch, uint64_t seed);

/// Rows `ys` (B, H) and columns `xs` (B, W) of every picture; int64 indices within it. Differentiable.
at::Tensor remap(const at::Tensor& x, const at::Tensor& ys, const at::Tensor& xs);

}  // namespace espalier::engine
