#pragma once

#include "espalier/json.h"
#include "espalier/samples.h"

#include <cstdint>
#include <string>
#include <vector>

namespace espalier {

/// One step of `data.prepare`.
struct PrepareStep {
  enum class Kind { grey, rgb, crop, resize } kind = Kind::grey;
  int64_t height = 0;  ///< pixels; of crop and resize
  int64_t width = 0;
};

/// Reads `data.prepare`: words or {name: {size: [height, width]}}. Throws E0413.
std::vector<PrepareStep> prepare_steps(const Json& list);
/// The same steps always give the same document: part of the cache key.
Json to_json(const std::vector<PrepareStep>& steps);
/// (C, H, W) after the steps; empty where it still varies from picture to picture.
Shape shape_after(const std::vector<PrepareStep>& steps, const Shape& shape);
/// The channels after the steps, 0 if they vary.
int64_t channels_after(const std::vector<PrepareStep>& steps, const Shape& shape);
/// Does the steps. Throws Rejected if a crop is larger than the picture.
Picture prepared_picture(Picture picture, const std::vector<PrepareStep>& steps);

/// Grey by ITU-R BT.601 luma, rounded.
Picture to_grey(const Picture& picture);
/// Three equal channels.
Picture to_rgb(const Picture& picture);
/// Resamples with a triangle filter that widens when it shrinks (bilinear with antialiasing).
Picture resized(const Picture& picture, int64_t height, int64_t width);

}  // namespace espalier
