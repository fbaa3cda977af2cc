#include "espalier/engine/pixels.h"

#include <algorithm>

namespace espalier::engine {

PixelScale byte_scale(int64_t channels) {
  const auto count = static_cast<size_t>(channels);
  return {std::vector<float>(count, 0.0F), std::vector<float>(count, 255.0F)};
}

PixelScale pixel_scale(const Network& net, const Weights& weights, int layer) {
  const Layer& here = net.layers().at(static_cast<size_t>(layer));
  if (here.in.empty()) return byte_scale(here.shape.at(0));
  const PixelScale before = pixel_scale(net, weights, here.in[0]);
  PixelScale scale = byte_scale(here.shape.at(0));
  for (size_t c = 0; c < scale.black.size(); ++c) {
    const size_t source = c % before.black.size();  // repeated channels follow one another in turns
    double factor = 1.0, offset = 0.0;
    if (here.op == "scale") {
      factor = here.set.at("factor").get<double>();
      offset = here.set.value("offset", 0.0);
    } else if (here.op == "normalize") {
      const auto channel = static_cast<int64_t>(c);
      factor = 1.0 / weights.get(here.id, "std")[channel].item<double>();
      offset = -factor * weights.get(here.id, "mean")[channel].item<double>();
    }
    scale.black[c] = static_cast<float>(before.black[source] * factor + offset);
    scale.white[c] = static_cast<float>(before.white[source] * factor + offset);
  }
  return scale;
}

std::pair<int64_t, int64_t> clipped_window(int64_t side, int64_t extent, Random& random) {
  const int64_t begin = random.below(extent) - side / 2;
  return {std::max<int64_t>(begin, 0), std::min(begin + side, extent)};
}

std::vector<double> channel_means(const float* picture, const Extents& extents) {
  std::vector<double> means(static_cast<size_t>(extents.channels));
  for (int64_t i = 0; i < extents.pixels(); ++i)
    for (double& sum : means) sum += *picture++;
  for (double& sum : means) sum /= static_cast<double>(extents.pixels());
  return means;
}

}  // namespace espalier::engine
