#include "espalier/engine/growing.h"

#include <algorithm>
#include <cmath>

namespace espalier::engine {

int64_t grown_extent(int64_t extent, double start, double until, double progress) {
  if (progress >= until) return extent;
  const double eighth = std::max(static_cast<double>(extent) / 8.0, 1.0);
  const double share = start + (1.0 - start) * progress / until;
  const auto grown = std::llround(std::round(share * static_cast<double>(extent) / eighth) * eighth);
  return std::clamp<int64_t>(grown, 1, extent);
}

at::Tensor grown(const at::Tensor& x, const Json& set, double progress) {
  const auto extent = [&](int64_t whole) {
    return grown_extent(whole, set.at("start").get<double>(), set.at("until").get<double>(), progress);
  };
  const int64_t height = extent(x.size(2));
  const int64_t width = extent(x.size(3));
  if (height == x.size(2) && width == x.size(3)) return x;
  return at::_upsample_bilinear2d_aa(x, {height, width}, false);
}

}  // namespace espalier::engine
