#pragma once

#include <ATen/ATen.h>

namespace espalier::engine {

/// Whether `winograd` takes it: filters (K, C, 3, 3), pictures (B, C, H, W) of the processor, C and K at least 16; in float32 both
/// multiples of 8, in bfloat16, on a processor that multiplies pairs of it, C even and K a multiple of 16.
bool suits_winograd(const at::Tensor& x, const at::Tensor& filters);

/// A convolution of stride 1 that keeps the pictures' size, zeros around them: (B, C, H, W), channels last, by float32
/// (K, C, 3, 3) with a bias (K), which may be undefined -> (B, K, H, W) of the pictures' type. Tiles of windows, transformed, take fewer
/// products (arXiv:1509.09308): of 2 x 2 windows in bfloat16, whose rounding larger ones would magnify, of 4 x 4 in float32. Where tiles
/// are slower than oneDNN, that runs.
at::Tensor winograd(const at::Tensor& x, const at::Tensor& filters, const at::Tensor& bias);

}  // namespace espalier::engine
