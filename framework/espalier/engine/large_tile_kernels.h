#pragma once

#include "espalier/engine/products.h"

#include <array>
#include <cstdint>

// The inner loops of large tiles, for any processor.
namespace espalier::engine::large_tiles {

constexpr int64_t kSide = 4;    ///< windows of a tile, along each axis
constexpr int64_t kPixels = 6;  ///< pixels of it; as many values once they are transformed
constexpr int64_t kPlaces = kPixels * kPixels;
constexpr int64_t kVector = 8;        ///< channels come in multiples of it

/// Where a tile's pixels or windows begin: rows of channels. What lies outside points at zeros.
using Patch = std::array<const float*, kPlaces>;
using Square = std::array<const float*, kSide * kSide>;
using Targets = std::array<float*, kSide * kSide>;  ///< null: outside, not written

/// Columns come in multiples of kVector.
void multiply(const Products<float>& products);

/// The pixels of a tile transformed: place p, channel c at to[p * place + c].
void transform_pixels(const Patch& pixels, float* to, int64_t place, int64_t channels);
/// The same of the windows' gradients.
void transform_windows(const Square& windows, float* to, int64_t place, int64_t channels);
/// Sums at from[p * place + c] back to windows, a bias (or null) added.
void restore_windows(const float* from, int64_t place, const float* bias, const Targets& to, int64_t channels);
/// Nine rows of `channels`, `row` floats apart, transformed.
void transform_filters(const float* from, int64_t row, float* to, int64_t place, int64_t channels);
/// Sums at from[p * place + c] back to the nine places of a filter.
void restore_filters(const float* from, int64_t place, float* to, int64_t row, int64_t channels);

}  // namespace espalier::engine::large_tiles
