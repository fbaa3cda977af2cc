#include "espalier/engine/tile_pool.h"

#include "espalier/engine/lanes.h"
#include "espalier/engine/pixels.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <limits>

#pragma GCC diagnostic ignored "-Wpsabi"  // see lanes.h

namespace espalier::engine {

namespace {

/// A tile: the rows and columns of it that lie on the picture, half-open, and the number of its corner, from which positions
/// within it count, inside the picture or not.
struct Tile {
  int64_t top, bottom, left, right;
  int64_t corner;
};

ESPALIER_INLINE Tile tile_at(int64_t row, int64_t column, const PoolTiles& tiles, const Extents& extents) {
  const int64_t y = row * tiles.kernel - tiles.rows_before;
  const int64_t x = column * tiles.kernel - tiles.columns_before;
  return {.top = std::max<int64_t>(y, 0), .bottom = std::min(y + tiles.kernel, extents.height), .left = std::max<int64_t>(x, 0),
          .right = std::min(x + tiles.kernel, extents.width), .corner = y * tiles.kernel + x};
}

/// The largest values so far, and their positions within the tile.
struct Best {
  Lanes value = all(-std::numeric_limits<float>::infinity());
  Bits place = {};

  /// Written so that a value which is not a number wins and is seen.
  ESPALIER_INLINE void meet(const Lanes& other, const Bits& position) {
    place = other <= value ? place : position;
    value = other <= value ? value : other;
  }
};

/// Sixteen channels at once.
template <class T>
struct Sixteen {
  Best first, second;

  ESPALIER_INLINE void meet(const T* from, const Bits& position, int64_t) {
    const Pair pair = load_pair(from);
    first.meet(pair.a, position);
    second.meet(pair.b, position);
  }
  ESPALIER_INLINE void put(T* to, uint8_t* positions, int64_t) const {
    store_pair(to, {first.value, second.value});
    put_positions(positions, to);
  }
  ESPALIER_INLINE void put_positions(uint8_t* to, const float*) const {
    const Bytes low = __builtin_convertvector(first.place, Bytes);
    const Bytes high = __builtin_convertvector(second.place, Bytes);
    std::memcpy(to, &low, sizeof low);
    std::memcpy(to + kLanes, &high, sizeof high);
  }
  ESPALIER_INLINE void put_positions(uint8_t* to, const c10::BFloat16*) const {
    const Halves both = __builtin_convertvector(first.place | (second.place << 8), Halves);
    std::memcpy(to, &both, sizeof both);
  }
};

/// Eight channels or fewer.
template <class T>
struct UptoEight {
  Best best;

  ESPALIER_INLINE void meet(const T* from, const Bits& position, int64_t count) { best.meet(load_upto(from, count), position); }
  ESPALIER_INLINE void put(T* to, uint8_t* positions, int64_t count) const {
    store_upto(to, best.value, count);
    const Bytes bytes = __builtin_convertvector(best.place, Bytes);
    std::memcpy(positions, &bytes, static_cast<size_t>(count));
  }
};

/// Calls `visit(offset of the pixel, its position in every lane)` for the pixels of a tile.
template <class Visit>
ESPALIER_INLINE void over_pixels(const Tile& tile, const PoolTiles& tiles, const Extents& extents, const Visit& visit) {
  for (int64_t y = tile.top; y < tile.bottom; ++y) {
    Bits position = Bits{} + static_cast<uint32_t>(y * tiles.kernel + tile.left - tile.corner);
    for (int64_t x = tile.left; x < tile.right; ++x) {
      visit((y * extents.width + x) * extents.channels, position);
      position = position + 1U;
    }
  }
}

template <class Access, class T>
ESPALIER_INLINE void forward_channels(const T* x, T* y, uint8_t* positions, int64_t count, const Tile& tile, const PoolTiles& tiles,
                                      const Extents& extents) {
  Access best;
  over_pixels(tile, tiles, extents, [&](int64_t at, const Bits& position) { best.meet(x + at, position, count); });
  best.put(y, positions, count);
}

/// One row of tiles of one picture.
template <class T>
ESPALIER_INLINE void forward_body(const T* x, T* y, uint8_t* positions, int64_t row, const PoolTiles& tiles, const Extents& extents) {
  for (int64_t column = 0; column < tiles.width; ++column) {
    const Tile tile = tile_at(row, column, tiles, extents);
    const int64_t at = column * extents.channels;
    int64_t c = 0;
    for (; c + kPair <= extents.channels; c += kPair)
      forward_channels<Sixteen<T>>(x + c, y + at + c, positions + at + c, kPair, tile, tiles, extents);
    for (; c < extents.channels; c += kLanes)
      forward_channels<UptoEight<T>>(x + c, y + at + c, positions + at + c, std::min(kLanes, extents.channels - c), tile, tiles, extents);
  }
}

/// Gradients of sixteen channels go to the pixels that won.
ESPALIER_INLINE void backward_sixteen(const float* dy, const uint8_t* positions, float* dx, const Tile& tile, const PoolTiles& tiles,
                                      const Extents& extents) {
  const Pair gradient = load_pair(dy);
  Bytes low;
  Bytes high;
  std::memcpy(&low, positions, sizeof low);
  std::memcpy(&high, positions + kLanes, sizeof high);
  const Bits first = __builtin_convertvector(low, Bits);
  const Bits second = __builtin_convertvector(high, Bits);
  over_pixels(tile, tiles, extents, [&](int64_t at, const Bits& position) {
    store_pair(dx + at, {first == position ? gradient.a : Lanes{}, second == position ? gradient.b : Lanes{}});
  });
}

ESPALIER_INLINE void backward_sixteen(const c10::BFloat16* dy, const uint8_t* positions, c10::BFloat16* dx, const Tile& tile,
                                      const PoolTiles& tiles, const Extents& extents) {
  const Bits gradient = load_words(dy);
  Halves both;
  std::memcpy(&both, positions, sizeof both);
  const Bits place = __builtin_convertvector(both, Bits);
  const Bits first = place & 0xffU;
  const Bits second = place >> 8;
  over_pixels(tile, tiles, extents, [&](int64_t at, const Bits& position) {
    const Bits low = first == position ? Bits{} + 0xffffU : Bits{};
    const Bits high = second == position ? Bits{} + 0xffff0000U : Bits{};
    const Bits words = gradient & (low | high);
    std::memcpy(static_cast<void*>(dx + at), &words, sizeof words);
  });
}

template <class T>
ESPALIER_INLINE void backward_some(const T* dy, const uint8_t* positions, T* dx, int64_t count, const Tile& tile, const PoolTiles& tiles,
                                   const Extents& extents) {
  const Lanes gradient = load_upto(dy, count);
  Bytes bytes = {};
  std::memcpy(&bytes, positions, static_cast<size_t>(count));
  const Bits place = __builtin_convertvector(bytes, Bits);
  over_pixels(tile, tiles, extents,
              [&](int64_t at, const Bits& position) { store_upto(dx + at, place == position ? gradient : Lanes{}, count); });
}

template <class T>
ESPALIER_INLINE void backward_body(const T* dy, const uint8_t* positions, T* dx, int64_t row, const PoolTiles& tiles, const Extents& extents) {
  for (int64_t column = 0; column < tiles.width; ++column) {
    const Tile tile = tile_at(row, column, tiles, extents);
    const int64_t at = column * extents.channels;
    int64_t c = 0;
    for (; c + kPair <= extents.channels; c += kPair) backward_sixteen(dy + at + c, positions + at + c, dx + c, tile, tiles, extents);
    for (; c < extents.channels; c += kLanes)
      backward_some(dy + at + c, positions + at + c, dx + c, std::min(kLanes, extents.channels - c), tile, tiles, extents);
  }
}

#define ESPALIER_POOL_KERNELS(T)                                                                                                 \
  ESPALIER_KERNEL void forward(const T* x, T* y, uint8_t* positions, int64_t row, const PoolTiles& tiles, const Extents& extents) {    \
    forward_body(x, y, positions, row, tiles, extents);                                                                           \
  }                                                                                                                              \
  ESPALIER_KERNEL void backward(const T* dy, const uint8_t* positions, T* dx, int64_t row, const PoolTiles& tiles, const Extents& extents) { \
    backward_body(dy, positions, dx, row, tiles, extents);                                                                        \
  }
ESPALIER_POOL_KERNELS(float)
ESPALIER_POOL_KERNELS(c10::BFloat16)
#undef ESPALIER_POOL_KERNELS

/// Calls `work(picture, row of tiles)` on all threads.
template <class Work>
void for_rows(int64_t batch, const PoolTiles& tiles, const Work& work) {
  at::parallel_for(0, batch * tiles.height, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) work(i / tiles.height, i % tiles.height);
  });
}

template <class T>
void run_forward(const at::Tensor& x, const PoolTiles& tiles, at::Tensor& y, at::Tensor& positions) {
  const Extents extents = extents_of(x);
  const int64_t picture = extents.values();
  const int64_t row = tiles.width * extents.channels;
  for_rows(x.size(0), tiles, [&](int64_t b, int64_t r) {
    const int64_t at = (b * tiles.height + r) * row;
    forward(x.const_data_ptr<T>() + b * picture, y.data_ptr<T>() + at, positions.data_ptr<uint8_t>() + at, r, tiles, extents);
  });
}

template <class T>
void run_backward(const at::Tensor& dy, const at::Tensor& positions, const PoolTiles& tiles, at::Tensor& dx) {
  const Extents extents = extents_of(dx);
  const int64_t picture = extents.values();
  const int64_t row = tiles.width * extents.channels;
  for_rows(dx.size(0), tiles, [&](int64_t b, int64_t r) {
    const int64_t at = (b * tiles.height + r) * row;
    backward(dy.const_data_ptr<T>() + at, positions.const_data_ptr<uint8_t>() + at, dx.data_ptr<T>() + b * picture, r, tiles, extents);
  });
}

struct Node : torch::autograd::Function<Node> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, int64_t kernel, int64_t rows_before,
                            int64_t columns_before, int64_t height, int64_t width) {
    const PoolTiles tiles{kernel, rows_before, columns_before, height, width};
    const at::Tensor values = x.contiguous(at::MemoryFormat::ChannelsLast);
    const std::vector<int64_t> shape = {x.size(0), x.size(1), height, width};
    at::Tensor y = at::empty(shape, values.options(), at::MemoryFormat::ChannelsLast);
    at::Tensor positions = at::empty({x.size(0), height, width, x.size(1)}, at::kByte);
    if (values.scalar_type() == at::kBFloat16) {
      run_forward<c10::BFloat16>(values, tiles, y, positions);
    } else {
      run_forward<float>(values, tiles, y, positions);
    }
    context->save_for_backward({positions});
    context->saved_data["tiles"] = std::vector<int64_t>{kernel, rows_before, columns_before, height, width};
    context->saved_data["shape"] = x.sizes().vec();
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& outgoing) {
    const auto tile = context->saved_data["tiles"].toIntVector();
    const auto shape = context->saved_data["shape"].toIntVector();
    const PoolTiles tiles{tile[0], tile[1], tile[2], tile[3], tile[4]};
    const at::Tensor positions = context->get_saved_variables()[0];
    const at::Tensor dy = outgoing[0].contiguous(at::MemoryFormat::ChannelsLast);
    at::Tensor dx = at::empty(shape, dy.options(), at::MemoryFormat::ChannelsLast);
    // What no tile covers has no gradient.
    if (tiles.height * tiles.kernel - tiles.rows_before < shape[2] || tiles.width * tiles.kernel - tiles.columns_before < shape[3])
      dx.zero_();
    if (dy.scalar_type() == at::kBFloat16) {
      run_backward<c10::BFloat16>(dy, positions, tiles, dx);
    } else {
      run_backward<float>(dy, positions, tiles, dx);
    }
    return {dx, {}, {}, {}, {}, {}};
  }
};

}  // namespace

at::Tensor max_of_tiles(const at::Tensor& x, const PoolTiles& tiles) {
  return Node::apply(x, tiles.kernel, tiles.rows_before, tiles.columns_before, tiles.height, tiles.width);
}

}  // namespace espalier::engine
