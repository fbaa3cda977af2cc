#pragma once

#include "espalier/engine/products.h"

#include <c10/util/BFloat16.h>

#include <array>
#include <cstdint>

// The inner loops of small tiles, for processors that multiply pairs of bfloat16 (AVX512_BF16).
namespace espalier::engine::small_tiles {

constexpr int64_t kSide = 2;     ///< windows of a tile, along each axis
constexpr int64_t kPlaces = 16;  ///< values of it once transformed, 4 x 4
constexpr int64_t kVector = 16;       ///< floats of a register: output channels come in multiples of it

/// Two bfloat16, the first in the lower half.
using Twin = uint32_t;

/// Where the 4 x 4 pixels of a tile, or its 2 x 2 windows, begin: rows of channels. What lies outside points at zeros.
using Patch = std::array<const c10::BFloat16*, 16>;
using Square = std::array<const c10::BFloat16*, 4>;
using Targets = std::array<c10::BFloat16*, 4>;  ///< null: outside, not written

/// At most kTileColumns columns, a multiple of kVector.
void multiply(const Products<Twin>& products);

/// The pixels of a tile transformed: place p, channel c at to[p * place + c].
void transform_pixels(const Patch& pixels, c10::BFloat16* to, int64_t place, int64_t channels);
/// The same of two tiles, as twins.
void transform_pixels(const Patch& first, const Patch& second, Twin* to, int64_t place, int64_t channels);
/// The windows' gradients of two tiles transformed, as twins.
void transform_windows(const Square& first, const Square& second, Twin* to, int64_t place, int64_t channels);
/// Sums at from[p * place + c] back to windows, a bias (or null) added.
void restore_windows(const float* from, int64_t place, const float* bias, const Targets& to, int64_t channels);
/// Filters of two input channels, nine rows of `channels` each `row` floats apart, transformed, as twins.
void transform_filters(const float* first, const float* second, int64_t row, Twin* to, int64_t place, int64_t channels);
/// Sums at from[p * place + c] back to the nine places of a filter.
void restore_filters(const float* from, int64_t place, float* to, int64_t row, int64_t channels);

}  // namespace espalier::engine::small_tiles
