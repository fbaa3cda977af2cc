#include "espalier/engine/colour.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace espalier::engine {

namespace {

using Matrix = std::array<std::array<double, 3>, 3>;

constexpr std::array<double, 3> kLuma = {0.299, 0.587, 0.114};

/// About the axis of greys (Rodrigues' formula), then moved along it until every pixel has the luma it had.
Matrix hue_turned(double turn) {
  const double cosine = std::cos(turn);
  const double sine = std::sin(turn) / std::numbers::sqrt3;
  const double rest = (1.0 - cosine) / 3.0;
  Matrix m = {{{cosine + rest, rest - sine, rest + sine}, {rest + sine, cosine + rest, rest - sine}, {rest - sine, rest + sine, cosine + rest}}};
  for (size_t j = 0; j < 3; ++j) {
    const double luma = kLuma[0] * m[0][j] + kLuma[1] * m[1][j] + kLuma[2] * m[2][j];
    for (size_t i = 0; i < 3; ++i) m[i][j] += kLuma[j] - luma;
  }
  return m;
}

/// Saturation and hue; both leave greys alone, so that they do not mind their order.
Matrix toned(double saturation, double turn) {
  Matrix m = hue_turned(turn);
  for (auto& row : m)
    for (size_t j = 0; j < 3; ++j) row[j] = saturation * row[j] + (1.0 - saturation) * kLuma[j];
  return m;
}

/// A channel's way: x * factor + offset, cut off.
struct Line {
  float factor, offset, least, most;
};

void along_lines(const float* from, float* to, int64_t pixels, const std::vector<Line>& lines) {
  for (int64_t i = 0; i < pixels; ++i)
    for (const Line& line : lines) *to++ = std::clamp(*from++ * line.factor + line.offset, line.least, line.most);
}

void across_channels(const float* from, float* to, int64_t pixels, const std::array<std::array<float, 3>, 3>& m, const std::vector<Line>& lines) {
  for (int64_t i = 0; i < pixels; ++i, from += 3, to += 3)
    for (size_t c = 0; c < 3; ++c)
      to[c] = std::clamp(m[c][0] * from[0] + m[c][1] * from[1] + m[c][2] * from[2] + lines[c].offset, lines[c].least, lines[c].most);
}

}  // namespace

void recolour(const float* from, float* to, const Extents& extents, const PixelScale& scale, const ColourChange& change) {
  const std::vector<double> mean =
      change.contrast == 1.0 ? std::vector<double>(scale.black.begin(), scale.black.end()) : channel_means(from, extents);
  const double factor = change.brightness * change.contrast;
  std::vector<Line> lines;
  for (size_t c = 0; c < scale.black.size(); ++c) {
    const double black = scale.black[c];
    const double middle = black + change.brightness * (mean[c] - black);  // of the brighter or darker picture
    const double offset = middle + change.contrast * (black - change.brightness * black - middle);
    lines.push_back({.factor = static_cast<float>(factor), .offset = static_cast<float>(offset),
                     .least = std::min(scale.black[c], scale.white[c]), .most = std::max(scale.black[c], scale.white[c])});
  }
  if (change.saturation == 1.0 && change.turn == 0.0) return along_lines(from, to, extents.pixels(), lines);
  // In shares of the way from black to white the channels can be mixed: x = black + range * share.
  const Matrix tone = toned(change.saturation, change.turn);
  std::array<std::array<float, 3>, 3> m{};
  std::vector<Line> mixed = lines;
  for (size_t i = 0; i < 3; ++i) {
    const double range = scale.white[i] - scale.black[i];
    double offset = scale.black[i];
    for (size_t j = 0; j < 3; ++j) {
      const double weight = tone[i][j] * range / (scale.white[j] - scale.black[j]);
      m[i][j] = static_cast<float>(weight * factor);
      offset += weight * (lines[j].offset - scale.black[j]);
    }
    mixed[i].offset = static_cast<float>(offset);
  }
  across_channels(from, to, extents.pixels(), m, mixed);
}

at::Tensor random_colour(const Json& set, const at::Tensor& x, const PixelScale& scale, Random& random) {
  const double brightness = set.value("brightness", 0.0), contrast = set.value("contrast", 0.0);
  const double saturation = set.value("saturation", 0.0), hue = set.value("hue", 0.0);
  const Extents extents = extents_of(x);
  return each_picture(x, random, [&](const float* from, float* to, Random& own, int64_t) {
    ColourChange change;
    change.brightness += either_way(brightness, own);
    change.contrast += either_way(contrast, own);
    change.saturation += either_way(saturation, own);
    change.turn = 2.0 * std::numbers::pi * either_way(hue, own);
    recolour(from, to, extents, scale, change);
  });
}

}  // namespace espalier::engine
