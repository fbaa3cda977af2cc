#include "espalier/engine/affine.h"

#include "espalier/engine/device.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace espalier::engine {

namespace {

/// Mirrors a position that left 0..last.
float reflected(float at, float last) {
  if (at >= 0.0F && at <= last) return at;
  if (last == 0.0F) return 0.0F;
  at = std::fmod(std::abs(at), 2.0F * last);
  return at <= last ? at : 2.0F * last - at;
}

/// `kChannels` is 0 where they are counted at run time.
template <int64_t kChannels>
void resample_pixels(const float* from, float* to, const Extents& extents, const Placement& p) {
  const int64_t channels = kChannels > 0 ? kChannels : extents.channels;
  const auto last_y = static_cast<float>(extents.height - 1);
  const auto last_x = static_cast<float>(extents.width - 1);
  for (int64_t y = 0; y < extents.height; ++y) {
    const float down = static_cast<float>(y) - 0.5F * last_y;
    for (int64_t x = 0; x < extents.width; ++x, to += channels) {
      const float across = static_cast<float>(x) - 0.5F * last_x;
      const float source_y = reflected(p.yx * across + p.yy * down + p.y0 + 0.5F * last_y, last_y);
      const float source_x = reflected(p.xx * across + p.xy * down + p.x0 + 0.5F * last_x, last_x);
      const auto top = static_cast<int64_t>(source_y);
      const auto left = static_cast<int64_t>(source_x);
      const float below = source_y - static_cast<float>(top);
      const float right = source_x - static_cast<float>(left);
      const int64_t row = top + 1 < extents.height ? extents.width * channels : 0;
      const int64_t column = left + 1 < extents.width ? channels : 0;
      const float* corner = from + (top * extents.width + left) * channels;
      for (int64_t c = 0; c < channels; ++c) {
        const float upper = corner[c] + right * (corner[c + column] - corner[c]);
        const float lower = corner[c + row] + right * (corner[c + row + column] - corner[c + row]);
        to[c] = upper + below * (lower - upper);
      }
    }
  }
}

/// The same by LibTorch, whose sampler has a gradient and runs on any device.
at::Tensor resampled_with_gradient(const at::Tensor& x, const std::vector<Placement>& placements) {
  const double aspect = static_cast<double>(std::max<int64_t>(x.size(2) - 1, 1)) / static_cast<double>(std::max<int64_t>(x.size(3) - 1, 1));
  at::Tensor theta = at::zeros({x.size(0), 2, 3});
  auto* values = theta.data_ptr<float>();
  for (const Placement& p : placements) {
    const double row[] = {p.xx, p.xy * aspect, 0.0, p.yx / aspect, p.yy, 0.0};
    for (const double value : row) *values++ = static_cast<float>(value);
  }
  const at::Tensor grid = sent_to(x.device(), at::affine_grid_generator(theta, x.sizes(), true)).to(x.options());
  constexpr int64_t bilinear = 0;
  constexpr int64_t reflection = 2;
  return at::grid_sampler_2d(x, grid, bilinear, reflection, true).contiguous(at::MemoryFormat::ChannelsLast);
}

}  // namespace

Placement placement(double turn, double size, double shear) {
  const double cosine = size * std::cos(turn);
  const double sine = size * std::sin(turn);
  return {.xx = static_cast<float>(cosine), .xy = static_cast<float>(cosine * shear - sine),
          .yx = static_cast<float>(sine), .yy = static_cast<float>(sine * shear + cosine)};
}

void resample(const float* from, float* to, const Extents& extents, const Placement& placement) {
  if (extents.channels == 1) return resample_pixels<1>(from, to, extents, placement);
  if (extents.channels == 3) return resample_pixels<3>(from, to, extents, placement);
  resample_pixels<0>(from, to, extents, placement);
}

at::Tensor random_affine(const Json& set, const at::Tensor& x, Random& random) {
  const double rotate = set.value("rotate", 0.0), zoom = set.value("zoom", 0.0), shear = set.value("shear", 0.0);
  std::vector<Placement> placements;
  for (int64_t b = 0; b < x.size(0); ++b) {
    const double turn = 2.0 * std::numbers::pi * either_way(rotate, random);
    const double size = 1.0 + either_way(zoom, random);
    placements.push_back(placement(turn, size, either_way(shear, random)));
  }
  if (!x.is_cpu() || (x.requires_grad() && at::GradMode::is_enabled())) return resampled_with_gradient(x, placements);
  const Extents extents = extents_of(x);
  return each_picture(x, random, [&](const float* from, float* to, Random&, int64_t b) {
    resample(from, to, extents, placements[static_cast<size_t>(b)]);
  });
}

}  // namespace espalier::engine
