#pragma once

#include <ATen/ATen.h>

namespace espalier::engine {

/// Where the windows of a convolution lie: the first begins `before` pixels outside the picture, and what is outside is zero.
struct Windows {
  int64_t kernel = 3;  ///< pixels, square
  int64_t stride = 1;
  int64_t rows_before = 0;
  int64_t columns_before = 0;
  int64_t height = 1;  ///< windows
  int64_t width = 1;
};

/// A convolution of each channel by a filter of its own: (B, C, H, W) channels last, float32 or bfloat16, by float32 filters
/// (C, 1, kernel, kernel) and a bias (C) or none -> (B, C, windows.height, windows.width). Sums are in float32. oneDNN's and
/// ATen's take 5 to 50 times as long for small pictures.
at::Tensor depthwise(const at::Tensor& x, const at::Tensor& filters, const at::Tensor& bias, const Windows& windows);

}  // namespace espalier::engine
