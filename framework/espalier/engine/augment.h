#pragma once

#include "espalier/json.h"
#include "espalier/random.h"

#include <ATen/ATen.h>

#include <string>

namespace espalier::engine {

/// True for the operations of this file: random_flip, random_translate, random_rotate, random_zoom, random_contrast.
bool is_augmentation(const std::string& op);

/// Applies one operation with its settings to pictures (B, C, H, W); every sample draws its own numbers.
at::Tensor augment(const std::string& op, const Json& set, const at::Tensor& x, Random& random);

/// Rows `ys` (B, H) and columns `xs` (B, W) of every picture; int64 indices within it. Differentiable.
at::Tensor remap(const at::Tensor& x, const at::Tensor& ys, const at::Tensor& xs);

}  // namespace espalier::engine
