#pragma once

#include <ATen/ATen.h>

namespace espalier::test {

/// Pictures (samples, channels, height, width) of bytes in channels-last memory, in which every pixel of a sample differs from its
/// neighbours.
inline at::Tensor some_pictures(int64_t samples = 16, int64_t channels = 3, int64_t height = 7, int64_t width = 6) {
  const at::Tensor x = at::arange(samples * channels * height * width).mul(37).remainder(251).to(at::kFloat).view({samples, channels, height, width});
  return x.contiguous(at::MemoryFormat::ChannelsLast);
}

}  // namespace espalier::test
