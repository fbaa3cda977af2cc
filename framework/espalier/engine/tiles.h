#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstdint>

// Convolutions of 3 x 3 by tiles of windows that are transformed, multiplied place by place, and restored (arXiv:1509.09308). A tile
// of 2 x 2 windows is 4 x 4 pixels, one of 4 x 4 windows 6 x 6; the larger, the fewer products, and the less exact.
namespace espalier::engine {

/// Tiles of `side` x `side` windows over pictures (B, C, H, W).
struct Tiles {
  Tiles(const at::Tensor& x, int64_t windows)
      : side(windows), pictures(x.size(0)), height(x.size(2)), width(x.size(3)), rows((height + side - 1) / side), columns((width + side - 1) / side) {}
  int64_t side, pictures, height, width;
  int64_t rows, columns;  ///< of tiles
  int64_t count() const { return pictures * rows * columns; }
  /// Windows of the pictures as a share of those of the tiles.
  double whole() const { return static_cast<double>(height * width) / static_cast<double>(side * side * rows * columns); }
};

/// Where `kSize` x `kSize` values begin, each a row of channels, `before` values before the tile's first window; `outside` for what is
/// outside the picture or the tiles.
template <int kSize, class T>
std::array<T*, kSize * kSize> pointers(const Tiles& tiles, int64_t tile, T* values, int64_t channels, int64_t before, T* outside) {
  std::array<T*, kSize * kSize> found;
  found.fill(outside);
  if (tile >= tiles.count()) return found;
  const int64_t picture = tile / (tiles.rows * tiles.columns);
  const int64_t y = tile / tiles.columns % tiles.rows * tiles.side - before;
  const int64_t x = tile % tiles.columns * tiles.side - before;
  T* from = values + picture * tiles.height * tiles.width * channels;
  for (int64_t i = 0; i < kSize; ++i)
    for (int64_t j = 0; j < kSize; ++j)
      if (y + i >= 0 && y + i < tiles.height && x + j >= 0 && x + j < tiles.width)
        found[static_cast<size_t>(i * kSize + j)] = from + ((y + i) * tiles.width + x + j) * channels;
  return found;
}

/// A way to convolve pictures (B, C, H, W), channels last, and to correlate them with gradients (B, K, H, W). Filters are rows (9, C, K).
struct TileWay {
  int64_t in, out;  ///< what C and K are multiples of
  bool fits(int64_t channels, int64_t filters) const { return channels % in == 0 && filters % out == 0; }
  /// Whether it is faster than oneDNN, over pictures of the size of `x`; for the gradient of filters it may always be.
  bool (*pays)(const at::Tensor& x, int64_t channels, int64_t filters);
  bool gradient_always_pays;
  /// `bias` (K) may be undefined.
  at::Tensor (*convolve)(const at::Tensor& x, const at::Tensor& rows, const at::Tensor& bias);
  /// The gradient of the rows.
  at::Tensor (*filter_gradient)(const at::Tensor& x, const at::Tensor& dy);
};

/// 2 x 2 windows of bfloat16, for processors that multiply pairs of it.
extern const TileWay kSmallTiles;
/// 4 x 4 windows of float32.
extern const TileWay kLargeTiles;

}  // namespace espalier::engine
