#pragma once

#include "espalier/engine/device.h"
#include "espalier/engine/weights.h"
#include "espalier/network.h"
#include "espalier/random.h"

#include <ATen/Parallel.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace espalier::engine {

/// What black and white pixels have become in each channel, after scaling and normalization.
struct PixelScale {
  std::vector<float> black;
  std::vector<float> white;
};

/// Of bytes as they are.
PixelScale byte_scale(int64_t channels);
/// Of the values that a layer gives; it gives pixels (network/operations.h).
PixelScale pixel_scale(const Network& net, const Weights& weights, int layer);

/// Sizes of a picture in channels-last memory.
struct Extents {
  int64_t channels;
  int64_t height;
  int64_t width;
  int64_t pixels() const { return height * width; }
  int64_t values() const { return channels * height * width; }
};
inline Extents extents_of(const at::Tensor& x) { return {x.size(1), x.size(2), x.size(3)}; }

/// Mean of each channel of a picture in channels-last memory.
std::vector<double> channel_means(const float* picture, const Extents& extents);

/// Calls use(from, to, random, index) for each picture of (B, C, H, W) floats, on all threads; what it wrote comes back.
/// Every sample has a random stream of its own, so that the threads do not matter.
template <class Use>
at::Tensor each_picture(const at::Tensor& x, Random& random, const Use& use) {
  const at::Tensor from = x.to(at::kFloat).cpu().contiguous(at::MemoryFormat::ChannelsLast);
  at::Tensor to = at::empty(x.sizes(), from.options(), at::MemoryFormat::ChannelsLast);
  const uint64_t seed = random.bits();
  const int64_t values = extents_of(x).values();
  const float* source = from.const_data_ptr<float>();
  auto* target = to.data_ptr<float>();
  at::parallel_for(0, x.size(0), 8, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      Random own(derive_seed(seed, static_cast<uint64_t>(b)));
      use(source + b * values, target + b * values, own, b);
    }
  });
  return sent_to(x.device(), to).to(x.options());
}

/// Where a side of pixels about a random middle of an extent begins and ends; what is outside is lost.
std::pair<int64_t, int64_t> clipped_window(int64_t side, int64_t extent, Random& random);

/// Even between -most and most.
inline double either_way(double most, Random& random) { return most * (2.0 * random.uniform() - 1.0); }

}  // namespace espalier::engine
