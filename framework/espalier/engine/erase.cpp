#include "espalier/engine/erase.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace espalier::engine {

namespace {

struct Rectangle {
  int64_t top, bottom, left, right;
};

/// A side at a random place of an extent: its middle anywhere (`clipped`), or all of it inside.
std::pair<int64_t, int64_t> placed(int64_t side, int64_t extent, bool clipped, Random& random) {
  if (clipped) return clipped_window(side, extent, random);
  const int64_t begin = random.below(extent - side + 1);
  return {begin, begin + side};
}

Rectangle rectangle(const Json& set, const Extents& extents, Random& random) {
  const double least = set.at("least_area").get<double>(), most = set.at("most_area").get<double>();
  const double ratio = std::log(set.value("most_ratio", 1.0));
  const bool clipped = set.value("clipped", false);
  const auto pixels = static_cast<double>(extents.pixels());
  constexpr int kTries = 10;  // a long one may not fit into the picture; after that it is cut
  int64_t height = 0, width = 0;
  for (int i = 0; i < kTries; ++i) {
    const double area = pixels * (least + (most - least) * random.uniform());
    const double shape = std::exp(either_way(ratio, random));
    height = std::llround(std::sqrt(area * shape));
    width = std::llround(std::sqrt(area / shape));
    if (height <= extents.height && width <= extents.width) break;
  }
  const auto [top, bottom] = placed(std::min(height, extents.height), extents.height, clipped, random);
  const auto [left, right] = placed(std::min(width, extents.width), extents.width, clipped, random);
  return {top, bottom, left, right};
}

}  // namespace

at::Tensor random_erase(const Json& set, const at::Tensor& x, const PixelScale& scale, Random& random) {
  const Extents extents = extents_of(x);
  const double probability = set.value("probability", 1.0);
  const std::string fill = set.value("fill", std::string("mean"));
  const bool mean = fill == "mean", noise = fill == "noise";
  const auto channels = static_cast<size_t>(extents.channels);
  return each_picture(x, random, [&](const float* from, float* to, Random& own, int64_t) {
    std::memcpy(to, from, static_cast<size_t>(extents.values()) * sizeof(float));
    if (own.uniform() >= probability) return;
    const Rectangle hole = rectangle(set, extents, own);
    const std::vector<double> colour = mean ? channel_means(from, extents) : std::vector<double>(channels);
    for (int64_t y = hole.top; y < hole.bottom; ++y)
      for (int64_t i = hole.left; i < hole.right; ++i) {
        float* pixel = to + (y * extents.width + i) * extents.channels;
        for (size_t c = 0; c < channels; ++c)
          pixel[c] = noise ? scale.black[c] + (scale.white[c] - scale.black[c]) * static_cast<float>(own.uniform()) : static_cast<float>(colour[c]);
      }
  });
}

}  // namespace espalier::engine
