#include "espalier/data/picture.h"

#include "espalier/error.h"

#include <algorithm>
#include <cmath>

namespace espalier {
namespace {

/// The filter of one axis: for each output position the first input position and its weights.
struct Taps {
  std::vector<int64_t> first;
  std::vector<std::vector<float>> weights;
};

Taps taps(int64_t from, int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double reach = std::max(1.0, scale);
  Taps out;
  for (int64_t i = 0; i < to; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const auto low = std::max<int64_t>(0, static_cast<int64_t>(std::floor(centre - reach + 0.5)));
    const auto high = std::min<int64_t>(from, static_cast<int64_t>(std::floor(centre + reach + 0.5)));
    std::vector<float> weights;
    double sum = 0.0;
    for (int64_t k = low; k < high; ++k) {
      const double w = std::max(0.0, 1.0 - std::abs((static_cast<double>(k) + 0.5 - centre) / reach));
      weights.push_back(static_cast<float>(w));
      sum += w;
    }
    for (float& w : weights) w = static_cast<float>(w / sum);
    out.first.push_back(low);
    out.weights.push_back(std::move(weights));
  }
  return out;
}

Picture cropped(const Picture& p, int64_t height, int64_t width) {
  if (p.height < height || p.width < width)
    throw Rejected{"picture smaller than the crop", std::to_string(p.height) + " x " + std::to_string(p.width)};
  Picture out{.height = height, .width = width, .channels = p.channels, .pixels = {}};
  const int64_t top = (p.height - height) / 2;
  const int64_t left = (p.width - width) / 2;
  for (int64_t y = 0; y < height; ++y) {
    const auto from = p.pixels.begin() + ((top + y) * p.width + left) * p.channels;
    out.pixels.insert(out.pixels.end(), from, from + width * p.channels);
  }
  return out;
}

PrepareStep prepare_step(const Json& item) {
  const bool word = item.is_string();
  if (!word && !(item.is_object() && item.size() == 1))
    fail("E0413", "data.prepare takes a list of grey, rgb, crop and resize, not '" + item.dump() + "'");
  const std::string name = word ? item.get<std::string>() : item.begin().key();
  const Json settings = word || item.begin()->is_null() ? Json::object() : item.begin().value();
  if (name == "grey") return {.kind = PrepareStep::Kind::grey};
  if (name == "rgb") return {.kind = PrepareStep::Kind::rgb};
  if (name != "crop" && name != "resize") {
    const std::string near = nearest(name, {"grey", "rgb", "crop", "resize"});
    fail("E0413", "data.prepare knows grey, rgb, crop and resize, not '" + name + "'",
         near.empty() ? "" : "did you mean '" + near + "'?");
  }
  Json size = settings.is_object() ? settings.value("size", Json()) : Json();
  if (size.is_number_integer()) size = Json::array({size, size});
  const bool fits = size.is_array() && size.size() == 2 && size[0].is_number_integer() && size[1].is_number_integer() &&
                    size[0] >= 1 && size[1] >= 1 && size[0] <= 16384 && size[1] <= 16384;
  require(fits, "E0413", "data.prepare: " + name + " takes {size: [height, width]}, both 1 to 16384, not '" + settings.dump() + "'");
  return {.kind = name == "crop" ? PrepareStep::Kind::crop : PrepareStep::Kind::resize, .height = size[0], .width = size[1]};
}

}  // namespace

std::vector<PrepareStep> prepare_steps(const Json& list) {
  std::vector<PrepareStep> out;
  if (list.is_null()) return out;
  if (!list.is_array()) return {prepare_step(list)};
  for (const Json& item : list) out.push_back(prepare_step(item));
  return out;
}

Json to_json(const std::vector<PrepareStep>& steps) {
  Json out = Json::array();
  for (const PrepareStep& step : steps) {
    const Json size = Json{{"size", {step.height, step.width}}};
    switch (step.kind) {
      case PrepareStep::Kind::grey: out.push_back("grey"); break;
      case PrepareStep::Kind::rgb: out.push_back("rgb"); break;
      case PrepareStep::Kind::crop: out.push_back({{"crop", size}}); break;
      case PrepareStep::Kind::resize: out.push_back({{"resize", size}}); break;
    }
  }
  return out;
}

int64_t channels_after(const std::vector<PrepareStep>& steps, const Shape& shape) {
  int64_t channels = shape.empty() ? 0 : shape[0];
  for (const PrepareStep& step : steps) {
    if (step.kind == PrepareStep::Kind::grey) channels = 1;
    if (step.kind == PrepareStep::Kind::rgb) channels = 3;
  }
  return channels;
}

Shape shape_after(const std::vector<PrepareStep>& steps, const Shape& shape) {
  Shape out = shape;
  const int64_t channels = channels_after(steps, shape);
  for (const PrepareStep& step : steps)
    if (step.height > 0) out = {channels, step.height, step.width};
  // Readers give three channels unless a picture is grey, so three is what a network should expect.
  if (!out.empty()) out[0] = channels == 0 ? 3 : channels;
  return out;
}

Picture to_grey(const Picture& p) {
  if (p.channels == 1) return p;
  Picture out{.height = p.height, .width = p.width, .channels = 1, .pixels = std::vector<uint8_t>(p.pixels.size() / 3)};
  for (size_t i = 0; i < out.pixels.size(); ++i) {
    const unsigned sum = 299U * p.pixels[3 * i] + 587U * p.pixels[3 * i + 1] + 114U * p.pixels[3 * i + 2];
    out.pixels[i] = static_cast<uint8_t>((sum + 500U) / 1000U);
  }
  return out;
}

Picture to_rgb(const Picture& p) {
  if (p.channels == 3) return p;
  Picture out{.height = p.height, .width = p.width, .channels = 3, .pixels = {}};
  out.pixels.reserve(p.pixels.size() * 3);
  for (const uint8_t v : p.pixels) out.pixels.insert(out.pixels.end(), 3, v);
  return out;
}

Picture resized(const Picture& p, int64_t height, int64_t width) {
  if (p.height == height && p.width == width) return p;
  const Taps across = taps(p.width, width);
  const Taps down = taps(p.height, height);
  const int64_t row = width * p.channels;
  std::vector<float> narrow(static_cast<size_t>(p.height * row));
  for (int64_t y = 0; y < p.height; ++y)
    for (int64_t x = 0; x < width; ++x) {
      const auto& weights = across.weights[static_cast<size_t>(x)];
      for (int64_t c = 0; c < p.channels; ++c) {
        const uint8_t* from = p.pixels.data() + (y * p.width + across.first[static_cast<size_t>(x)]) * p.channels + c;
        float sum = 0.0F;
        for (size_t k = 0; k < weights.size(); ++k) sum += weights[k] * from[k * static_cast<size_t>(p.channels)];
        narrow[static_cast<size_t>(y * row + x * p.channels + c)] = sum;
      }
    }
  Picture out{.height = height, .width = width, .channels = p.channels, .pixels = std::vector<uint8_t>(static_cast<size_t>(height * row))};
  std::vector<float> sums(static_cast<size_t>(row));
  for (int64_t y = 0; y < height; ++y) {
    std::fill(sums.begin(), sums.end(), 0.5F);
    const auto& weights = down.weights[static_cast<size_t>(y)];
    for (size_t k = 0; k < weights.size(); ++k) {
      const float* from = narrow.data() + (down.first[static_cast<size_t>(y)] + static_cast<int64_t>(k)) * row;
      for (size_t x = 0; x < sums.size(); ++x) sums[x] += weights[k] * from[x];
    }
    for (size_t x = 0; x < sums.size(); ++x)
      out.pixels[static_cast<size_t>(y * row) + x] = static_cast<uint8_t>(std::clamp(sums[x], 0.0F, 255.0F));
  }
  return out;
}

Picture prepared_picture(Picture picture, const std::vector<PrepareStep>& steps) {
  for (const PrepareStep& step : steps) {
    switch (step.kind) {
      case PrepareStep::Kind::grey: picture = to_grey(picture); break;
      case PrepareStep::Kind::rgb: picture = to_rgb(picture); break;
      case PrepareStep::Kind::crop: picture = cropped(picture, step.height, step.width); break;
      case PrepareStep::Kind::resize: picture = resized(picture, step.height, step.width); break;
    }
  }
  return picture;
}

}  // namespace espalier
