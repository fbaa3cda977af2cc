#include "espalier/engine/random_operations.h"

#include "espalier/engine/affine.h"
#include "espalier/engine/colour.h"
#include "espalier/error.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace espalier::engine {

namespace {

constexpr float kWhite = 255.0F;

/// Everything that an operation works with.
struct Task {
  const float* from;
  float* to;
  const Extents& extents;
  double strength;
  Random& random;
  double either_way(double most) const { return (random.bits() >> 63U) == 0 ? most * strength : -most * strength; }
};

template <class Change>
void each_value(const Task& task, const Change& change) {
  for (int64_t i = 0; i < task.extents.values(); ++i) task.to[i] = change(task.from[i]);
}

void identity(const Task& task) { std::copy_n(task.from, task.extents.values(), task.to); }

/// Calls change(values, count, stride) for each channel of a copy.
template <class Change>
void each_channel(const Task& task, const Change& change) {
  identity(task);
  for (int64_t c = 0; c < task.extents.channels; ++c) change(task.to + c, task.extents.values(), task.extents.channels);
}

/// From the darkest value of a channel as black to its brightest as white.
void auto_contrast(const Task& task) {
  each_channel(task, [](float* values, int64_t count, int64_t stride) {
    float least = values[0], most = values[0];
    for (int64_t i = 0; i < count; i += stride) {
      least = std::min(least, values[i]);
      most = std::max(most, values[i]);
    }
    if (most <= least) return;
    for (int64_t i = 0; i < count; i += stride) values[i] = (values[i] - least) * (kWhite / (most - least));
  });
}

size_t byte_of(float value) { return static_cast<size_t>(std::lround(std::clamp(value, 0.0F, kWhite))); }

/// Every brightness of a channel becomes about as frequent as every other.
void equalize(const Task& task) {
  each_channel(task, [](float* values, int64_t count, int64_t stride) {
    std::array<int64_t, 256> histogram{};
    for (int64_t i = 0; i < count; i += stride) ++histogram[byte_of(values[i])];
    size_t brightest = 255;
    while (brightest > 0 && histogram[brightest] == 0) --brightest;
    const int64_t step = (count / stride - histogram[brightest]) / 255;
    if (step == 0) return;
    std::array<float, 256> table{};
    int64_t below = step / 2;
    for (size_t i = 0; i < 256; ++i) {
      table[i] = std::min(static_cast<float>(below / step), kWhite);
      below += histogram[i];
    }
    for (int64_t i = 0; i < count; i += stride) values[i] = table[byte_of(values[i])];
  });
}

/// What is brighter than a threshold is inverted.
void solarize(const Task& task) {
  const auto threshold = static_cast<float>(255.0 * (1.0 - task.strength));
  each_value(task, [&](float value) { return value > threshold ? kWhite - value : value; });
}

/// Only the first bits of each byte stay.
void posterize(const Task& task) {
  const auto lost = static_cast<unsigned>(std::lround(4.0 * task.strength));
  if (lost == 0) return identity(task);
  each_value(task, [&](float value) { return static_cast<float>((byte_of(value) >> lost) << lost); });
}

/// Away from a smoothed picture or towards it; the border stays.
void sharpness(const Task& task) {
  const auto factor = static_cast<float>(1.0 + task.either_way(0.9));
  identity(task);
  const int64_t pixel = task.extents.channels;
  const int64_t row = task.extents.width * pixel;
  for (int64_t y = 1; y + 1 < task.extents.height; ++y)
    for (int64_t i = y * row + pixel; i < (y + 1) * row - pixel; ++i) {
      const float* at = task.from + i;
      const float around = at[-row - pixel] + at[-row] + at[-row + pixel] + at[-pixel] + at[pixel] + at[row - pixel] + at[row] + at[row + pixel];
      const float smooth = (around + 5.0F * *at) / 13.0F;
      task.to[i] = std::clamp(smooth + factor * (*at - smooth), 0.0F, kWhite);
    }
}

void recoloured(const Task& task, const ColourChange& change) {
  recolour(task.from, task.to, task.extents, byte_scale(task.extents.channels), change);
}

void colour(const Task& task) {
  const double saturation = 1.0 + task.either_way(0.9);
  if (task.extents.channels == 3) return recoloured(task, {.saturation = saturation});
  identity(task);
}

void placed(const Task& task, const Placement& where) { resample(task.from, task.to, task.extents, where); }

float shift(const Task& task, int64_t extent) { return static_cast<float>(task.either_way(0.45) * static_cast<double>(extent)); }

struct Named {
  std::string name;
  void (*apply)(const Task&);
};

const std::vector<Named>& all_operations() {
  static const std::vector<Named> kAll = {
      {"identity", identity},
      {"auto_contrast", auto_contrast},
      {"equalize", equalize},
      {"rotate", [](const Task& task) { placed(task, placement(task.either_way(std::numbers::pi / 6.0), 1.0, 0.0)); }},
      {"solarize", solarize},
      {"colour", colour},
      {"posterize", posterize},
      {"contrast", [](const Task& task) { recoloured(task, {.contrast = 1.0 + task.either_way(0.9)}); }},
      {"brightness", [](const Task& task) { recoloured(task, {.brightness = 1.0 + task.either_way(0.9)}); }},
      {"sharpness", sharpness},
      {"shear_x", [](const Task& task) { placed(task, {.xy = static_cast<float>(task.either_way(0.3))}); }},
      {"shear_y", [](const Task& task) { placed(task, {.yx = static_cast<float>(task.either_way(0.3))}); }},
      {"translate_x", [](const Task& task) { placed(task, {.x0 = shift(task, task.extents.width)}); }},
      {"translate_y", [](const Task& task) { placed(task, {.y0 = shift(task, task.extents.height)}); }},
  };
  return kAll;
}

/// A line of each channel: x * factor + offset.
struct Line {
  float factor, offset;
};

void along(const std::vector<Line>& lines, const float* from, float* to, int64_t pixels) {
  for (int64_t i = 0; i < pixels; ++i)
    for (const Line& line : lines) *to++ = *from++ * line.factor + line.offset;
}

}  // namespace

const std::vector<std::string>& picture_operations() {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names;
    for (const Named& one : all_operations()) names.push_back(one.name);
    return names;
  }();
  return kNames;
}

void apply_operation(const std::string& name, double strength, const float* from, float* to, const Extents& extents, Random& random) {
  const auto found = std::ranges::find(all_operations(), name, &Named::name);
  require(found != all_operations().end(), "E0430", "no operation on pictures is called '" + name + "'");
  found->apply({from, to, extents, strength, random});
}

at::Tensor random_operations(const Json& set, const at::Tensor& x, const PixelScale& scale, Random& random) {
  const auto count = set.at("operations").get<int64_t>();
  const double strength = set.at("magnitude").get<double>() / 30.0;
  const Extents extents = extents_of(x);
  std::vector<Line> to_bytes, back;
  for (size_t c = 0; c < scale.black.size(); ++c) {
    const float range = scale.white[c] - scale.black[c];
    to_bytes.push_back({kWhite / range, -scale.black[c] * kWhite / range});
    back.push_back({range / kWhite, scale.black[c]});
  }
  const auto kinds = static_cast<int64_t>(all_operations().size());
  return each_picture(x, random, [&](const float* from, float* to, Random& own, int64_t) {
    std::vector<float> now(static_cast<size_t>(extents.values())), next(now.size());
    along(to_bytes, from, now.data(), extents.pixels());
    for (int64_t i = 0; i < count; ++i) {
      all_operations()[static_cast<size_t>(own.below(kinds))].apply({now.data(), next.data(), extents, strength, own});
      now.swap(next);
    }
    along(back, now.data(), to, extents.pixels());
  });
}

}  // namespace espalier::engine
