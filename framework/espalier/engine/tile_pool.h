#pragma once

#include <ATen/ATen.h>

namespace espalier::engine {

/// Where tiles lie on a picture: kernel = stride, the first tile begins `before` pixels outside, and what is outside never
/// is the largest.
struct PoolTiles {
  int64_t kernel = 2;       ///< 1 to 15 pixels, square
  int64_t rows_before = 0;
  int64_t columns_before = 0;
  int64_t height = 1;       ///< tiles
  int64_t width = 1;
};

/// Largest value of each tile: (B, C, H, W) channels last, float32 or bfloat16 -> (B, C, tiles.height, tiles.width). Tiles
/// do not overlap, so a byte a tile says where its gradient goes; ATen's keeps eight.
at::Tensor max_of_tiles(const at::Tensor& x, const PoolTiles& tiles);

}  // namespace espalier::engine
