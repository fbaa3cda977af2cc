#pragma once

#include <ATen/ATen.h>

namespace espalier::engine {

/// Whether `winograd` takes it: pictures (B, C, H, W) in bfloat16, filters (K, C, 3, 3), C even and at least 16, K a multiple
/// of 16, and a processor that multiplies pairs of bfloat16 (on which the pictures are).
bool suits_winograd(const at::Tensor& x, const at::Tensor& filters);

/// A convolution of stride 1 that keeps the pictures' size, zeros around them: (B, C, H, W) bfloat16 channels last by float32
/// filters (K, C, 3, 3) and a bias (K) or none -> (B, K, H, W). Tiles of 2 x 2 windows are transformed, so that they cost 16
/// products a channel instead of 36 (Lavin and Gray, arXiv:1509.09308); sums are in float32. Where that costs more than it
/// spares, oneDNN does it: decided by the shape alone, for the output and for each gradient.
at::Tensor winograd(const at::Tensor& x, const at::Tensor& filters, const at::Tensor& bias);

}  // namespace espalier::engine
