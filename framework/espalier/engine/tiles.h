#pragma once

#include "espalier/shape.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

// Convolutions of 3 x 3 by tiles of windows that are transformed, multiplied place by place, and restored (arXiv:1509.09308). A tile
// of 2 x 2 windows is 4 x 4 pixels, one of 4 x 4 windows 6 x 6; the larger, the fewer products, and the less exact.
namespace espalier::engine {

/// Tiles of `side` x `side` windows over pictures (B, C, H, W).
struct Tiles {
  Tiles(const at::Tensor& x, int64_t windows)
      : side(windows), pictures(x.size(0)), height(x.size(2)), width(x.size(3)), rows(ceil_div(height, side)), columns(ceil_div(width, side)) {}
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

/// What a thread works in.
using Memory = std::pair<at::Tensor, at::Tensor>;

/// Calls `work(first, end, memory)` with at most `most` tiles at a time, on all threads, each with a memory of its own.
template <class MemoryOf, class Work>
void over_tiles(const Tiles& tiles, int64_t most, const MemoryOf& memory_of_thread, const Work& work) {
  at::parallel_for(0, ceil_div(tiles.count(), most), 1, [&](int64_t begin, int64_t end) {
    const Memory memory = memory_of_thread();
    for (int64_t block = begin; block < end; ++block) work(block * most, std::min(tiles.count(), (block + 1) * most), memory);
  });
}

/// (places, C, K): the sum of what `work(first, end, memory, sums, adds)` makes or adds of at most `most` tiles, each thread with a memory
/// and sums of its own.
template <class MemoryOf, class Work>
at::Tensor summed_over_tiles(const Tiles& tiles, int64_t most, const std::array<int64_t, 3>& shape, const MemoryOf& memory_of_thread,
                             const Work& work) {
  const int64_t blocks = ceil_div(tiles.count(), most);
  const int64_t parts = std::min<int64_t>(blocks, at::get_num_threads());
  const at::Tensor sums = at::empty({parts, shape[0], shape[1], shape[2]});
  at::parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
    const Memory memory = memory_of_thread();
    for (int64_t part = begin; part < end; ++part) {
      const int64_t first = part * blocks / parts;
      for (int64_t block = first; block < (part + 1) * blocks / parts; ++block)
        work(block * most, std::min(tiles.count(), (block + 1) * most), memory, sums.data_ptr<float>() + part * sums.stride(0), block != first);
    }
  });
  return parts == 1 ? sums[0] : sums.sum(0);
}

/// Sums (places, C, K) back to rows (9, C, K): `restore(sums of one C, from place to place, its rows, from row to row, K)`.
template <class Restore>
at::Tensor restored_rows(const at::Tensor& sums, const Restore& restore) {
  const int64_t in = sums.size(1);
  const int64_t out = sums.size(2);
  at::Tensor rows = at::empty({9, in, out});
  at::parallel_for(0, in, 16, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c)
      restore(sums.const_data_ptr<float>() + c * out, in * out, rows.data_ptr<float>() + c * out, in * out, out);
  });
  return rows;
}

/// A way to convolve pictures (B, C, H, W), channels last, and to correlate them with gradients (B, K, H, W). Filters are rows (9, C, K).
struct TileWay {
  int64_t side;
  int64_t in, out;  ///< what C and K are multiples of
  /// What it takes to transform and to restore a value of one channel, and what a product of a whole convolution by oneDNN takes, in
  /// products of tiles.
  double input_cost, output_cost, whole_cost;
  bool gradient_always_pays;  ///< of filters
  bool fits(int64_t channels, int64_t filters) const { return channels % in == 0 && filters % out == 0; }
  /// Whether it can be taken and is faster than oneDNN, over pictures of the size of `x`.
  bool pays(const at::Tensor& x, int64_t channels, int64_t filters) const;
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
