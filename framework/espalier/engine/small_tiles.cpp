#include "espalier/engine/small_tile_kernels.h"
#include "espalier/engine/tiles.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

namespace espalier::engine {

namespace {

using namespace small_tiles;
using Half = c10::BFloat16;

/// Transformed filters as twins of input channels: (chunk of output channels, place, twin of input channels, output channel).
struct Filters {
  at::Tensor twins;
  int64_t in, out;
  const Twin* chunk(int64_t first) const { return static_cast<const Twin*>(twins.const_data_ptr()) + first * kPlaces * (in / 2); }
};

/// Of rows (9, in, out).
Filters transformed(const at::Tensor& rows) {
  const int64_t in = rows.size(1);
  const int64_t out = rows.size(2);
  Filters filters{at::empty({kPlaces * in / 2 * out}, at::kInt), in, out};
  at::parallel_for(0, in / 2, 8, [&](int64_t begin, int64_t end) {
    for (int64_t first = 0; first < out; first += kTileColumns) {
      const int64_t columns = chunk_width(out, first);
      for (int64_t pair = begin; pair < end; ++pair) {
        const float* from = rows.const_data_ptr<float>() + 2 * pair * out + first;
        transform_filters(from, from + out, in * out, const_cast<Twin*>(filters.chunk(first)) + pair * columns, in / 2 * columns, columns);
      }
    }
  });
  return filters;
}

/// Tiles at a time: what is transformed should stay in the second cache.
int64_t tiles_at_a_time(int64_t channels) { return std::clamp<int64_t>(12288 / channels / kTileRows * kTileRows, kTileRows, 192); }

/// Some tiles through all filters; `sums` and `values` are buffers.
void convolve(const at::Tensor& x, const Filters& filters, const float* bias, const Tiles& tiles, int64_t begin, int64_t end, Half* values,
              float* sums, const Half* zeros, at::Tensor& y) {
  const int64_t count = end - begin;
  for (int64_t i = 0; i < count; ++i)
    transform_pixels(pointers<4>(tiles, begin + i, x.const_data_ptr<Half>(), filters.in, 1, zeros), values + i * filters.in, count * filters.in,
                     filters.in);
  for (int64_t first = 0; first < filters.out; first += kTileColumns) {
    const int64_t columns = chunk_width(filters.out, first);
    for (int64_t place = 0; place < kPlaces; ++place)
      multiply({.a = reinterpret_cast<const Twin*>(values + place * count * filters.in), .a_row = filters.in / 2, .a_step = 1,
                .b = filters.chunk(first) + place * (filters.in / 2) * columns, .b_step = columns,
                .c = sums + place * count * columns, .c_row = columns,
                .rows = count, .columns = columns, .steps = filters.in / 2, .add = false});
    for (int64_t i = 0; i < count; ++i) {
      Targets to = pointers<2, Half>(tiles, begin + i, y.data_ptr<Half>(), filters.out, 0, nullptr);
      for (Half*& target : to)
        if (target != nullptr) target += first;
      restore_windows(sums + i * columns, count * columns, bias == nullptr ? nullptr : bias + first, to, columns);
    }
  }
}

at::Tensor convolved(const at::Tensor& x, const at::Tensor& rows, const at::Tensor& bias) {
  const Tiles tiles(x, kSide);
  const Filters filters = transformed(rows);
  at::Tensor y = at::empty({x.size(0), filters.out, x.size(2), x.size(3)}, x.options(), at::MemoryFormat::ChannelsLast);
  const std::vector<Half> zeros(static_cast<size_t>(filters.in));
  const int64_t step = tiles_at_a_time(filters.in);
  const auto memory = [&] { return Memory{at::empty({kPlaces * step * filters.in}, at::kBFloat16), at::empty({kPlaces * step * kTileColumns})}; };
  over_tiles(tiles, step, memory, [&](int64_t first, int64_t end, const Memory& buffers) {
    convolve(x, filters, bias.defined() ? bias.const_data_ptr<float>() : nullptr, tiles, first, end, buffers.first.data_ptr<Half>(),
             buffers.second.data_ptr<float>(), zeros.data(), y);
  });
  return y;
}

constexpr int64_t kGradientTiles = 128;

/// Adds to sums (16, C, K) what some tiles (an even number, the last beyond all or not) give.
void correlate(const at::Tensor& x, const at::Tensor& dy, const Tiles& tiles, int64_t begin, int64_t end, Twin* pixels, Twin* windows,
               const Half* zeros, float* sums, bool add) {
  const int64_t in = x.size(1);
  const int64_t out = dy.size(1);
  const int64_t pairs = (end - begin + 1) / 2;
  for (int64_t pair = 0; pair < pairs; ++pair) {
    const int64_t tile = begin + 2 * pair;
    transform_pixels(pointers<4>(tiles, tile, x.const_data_ptr<Half>(), in, 1, zeros),
                     pointers<4>(tiles, tile + 1, x.const_data_ptr<Half>(), in, 1, zeros), pixels + pair * in, pairs * in, in);
    for (int64_t first = 0; first < out; first += kTileColumns) {
      const int64_t columns = chunk_width(out, first);
      Square even = pointers<2>(tiles, tile, dy.const_data_ptr<Half>() + first, out, 0, zeros);
      Square odd = pointers<2>(tiles, tile + 1, dy.const_data_ptr<Half>() + first, out, 0, zeros);
      transform_windows(even, odd, windows + first * kPlaces * pairs + pair * columns, pairs * columns, columns);
    }
  }
  for (int64_t place = 0; place < kPlaces; ++place)
    for (int64_t first = 0; first < out; first += kTileColumns) {
      const int64_t columns = chunk_width(out, first);
      multiply({.a = pixels + place * pairs * in, .a_row = 1, .a_step = in,
                .b = windows + first * kPlaces * pairs + place * pairs * columns, .b_step = columns,
                .c = sums + place * in * out + first, .c_row = out, .rows = in, .columns = columns, .steps = pairs, .add = add});
    }
}

at::Tensor filter_gradient(const at::Tensor& x, const at::Tensor& dy) {
  const Tiles tiles(x, kSide);
  const int64_t in = x.size(1);
  const int64_t out = dy.size(1);
  const std::vector<Half> zeros(static_cast<size_t>(std::max(in, out)));
  const auto memory = [&] {
    return Memory{at::empty({kPlaces * kGradientTiles / 2 * in}, at::kInt), at::empty({kPlaces * kGradientTiles / 2 * out}, at::kInt)};
  };
  const auto add = [&](int64_t first, int64_t end, const Memory& buffers, float* sums, bool adds) {
    correlate(x, dy, tiles, first, end, static_cast<Twin*>(buffers.first.data_ptr()), static_cast<Twin*>(buffers.second.data_ptr()), zeros.data(),
              sums, adds);
  };
  return restored_rows(summed_over_tiles(tiles, kGradientTiles, {kPlaces, in, out}, memory, add), restore_filters);
}

}  // namespace

// The costs were measured on an EPYC with AVX512_BF16 (tools/bench conv).
const TileWay kSmallTiles = {.side = kSide, .in = 2, .out = kVector, .input_cost = 29.0, .output_cost = 10.0, .whole_cost = 0.85,
                             .gradient_always_pays = true, .convolve = convolved, .filter_gradient = filter_gradient};

}  // namespace espalier::engine
