#include "espalier/engine/large_tile_kernels.h"
#include "espalier/engine/tiles.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

namespace espalier::engine {

namespace {

using namespace large_tiles;

/// Transformed filters: (chunk of output channels, place, input channel, output channel).
struct Filters {
  at::Tensor values;
  int64_t in, out;
  float* chunk(int64_t first) const { return values.data_ptr<float>() + first * kPlaces * in; }
};

/// Of rows (9, in, out).
Filters transformed(const at::Tensor& rows) {
  const int64_t in = rows.size(1);
  const int64_t out = rows.size(2);
  const Filters filters{at::empty({kPlaces * in * out}), in, out};
  at::parallel_for(0, in, 8, [&](int64_t begin, int64_t end) {
    for (int64_t first = 0; first < out; first += kTileColumns) {
      const int64_t columns = chunk_width(out, first);
      for (int64_t c = begin; c < end; ++c)
        transform_filters(rows.const_data_ptr<float>() + c * out + first, in * out, filters.chunk(first) + c * columns, in * columns, columns);
    }
  });
  return filters;
}

/// Floats from one place to the next of what is `values` long: places that are a power of two apart would share the sets of a cache.
int64_t place_of(int64_t values) { return values + 16; }

/// Tiles at a time: what is transformed should stay in the second cache.
constexpr int64_t kTiles = 4 * kTileRows;

/// Some tiles through all filters; `sums` and `values` are buffers.
void convolve(const at::Tensor& x, const Filters& filters, const float* bias, const Tiles& tiles, int64_t begin, int64_t end, float* values,
              float* sums, const float* zeros, at::Tensor& y) {
  const int64_t count = end - begin;
  const int64_t value_place = place_of(count * filters.in);
  for (int64_t i = 0; i < count; ++i)
    transform_pixels(pointers<kPixels>(tiles, begin + i, x.const_data_ptr<float>(), filters.in, 1, zeros), values + i * filters.in, value_place,
                     filters.in);
  for (int64_t first = 0; first < filters.out; first += kTileColumns) {
    const int64_t columns = chunk_width(filters.out, first);
    const int64_t sum_place = place_of(count * columns);
    for (int64_t place = 0; place < kPlaces; ++place)
      multiply({.a = values + place * value_place, .a_row = filters.in, .a_step = 1,
                .b = filters.chunk(first) + place * filters.in * columns, .b_step = columns, .c = sums + place * sum_place, .c_row = columns,
                .rows = count, .columns = columns, .steps = filters.in, .add = false});
    for (int64_t i = 0; i < count; ++i) {
      Targets to = pointers<kSide, float>(tiles, begin + i, y.data_ptr<float>(), filters.out, 0, nullptr);
      for (float*& target : to)
        if (target != nullptr) target += first;
      restore_windows(sums + i * columns, sum_place, bias == nullptr ? nullptr : bias + first, to, columns);
    }
  }
}

at::Tensor convolved(const at::Tensor& x, const at::Tensor& rows, const at::Tensor& bias) {
  const Tiles tiles(x, kSide);
  const Filters filters = transformed(rows);
  at::Tensor y = at::empty({x.size(0), filters.out, x.size(2), x.size(3)}, x.options(), at::MemoryFormat::ChannelsLast);
  const std::vector<float> zeros(static_cast<size_t>(filters.in));
  const auto memory = [&] {
    return Memory{at::empty({kPlaces * place_of(kTiles * filters.in)}), at::empty({kPlaces * place_of(kTiles * kTileColumns)})};
  };
  over_tiles(tiles, kTiles, memory, [&](int64_t first, int64_t end, const Memory& buffers) {
    convolve(x, filters, bias.defined() ? bias.const_data_ptr<float>() : nullptr, tiles, first, end, buffers.first.data_ptr<float>(),
             buffers.second.data_ptr<float>(), zeros.data(), y);
  });
  return y;
}

constexpr int64_t kGradientTiles = 48;

/// Adds to sums (36, C, K) what some tiles give.
void correlate(const at::Tensor& x, const at::Tensor& dy, const Tiles& tiles, int64_t begin, int64_t end, float* pixels, float* windows,
               const float* zeros, float* sums, bool add) {
  const int64_t in = x.size(1);
  const int64_t out = dy.size(1);
  const int64_t count = end - begin;
  const int64_t pixel_place = place_of(count * in);
  const int64_t window_place = place_of(count * out);
  for (int64_t i = 0; i < count; ++i) {
    transform_pixels(pointers<kPixels>(tiles, begin + i, x.const_data_ptr<float>(), in, 1, zeros), pixels + i * in, pixel_place, in);
    transform_windows(pointers<kSide>(tiles, begin + i, dy.const_data_ptr<float>(), out, 0, zeros), windows + i * out, window_place, out);
  }
  for (int64_t place = 0; place < kPlaces; ++place)
    for (int64_t first = 0; first < out; first += kTileColumns) {
      const int64_t columns = chunk_width(out, first);
      multiply({.a = pixels + place * pixel_place, .a_row = 1, .a_step = in, .b = windows + place * window_place + first, .b_step = out,
                .c = sums + place * in * out + first, .c_row = out, .rows = in, .columns = columns, .steps = count, .add = add});
    }
}

at::Tensor filter_gradient(const at::Tensor& x, const at::Tensor& dy) {
  const Tiles tiles(x, kSide);
  const int64_t in = x.size(1);
  const int64_t out = dy.size(1);
  const std::vector<float> zeros(static_cast<size_t>(std::max(in, out)));
  const auto memory = [&] {
    return Memory{at::empty({kPlaces * place_of(kGradientTiles * in)}), at::empty({kPlaces * place_of(kGradientTiles * out)})};
  };
  const auto add = [&](int64_t first, int64_t end, const Memory& buffers, float* sums, bool adds) {
    correlate(x, dy, tiles, first, end, buffers.first.data_ptr<float>(), buffers.second.data_ptr<float>(), zeros.data(), sums, adds);
  };
  return restored_rows(summed_over_tiles(tiles, kGradientTiles, {kPlaces, in, out}, memory, add), restore_filters);
}

}  // namespace

// The costs were measured on a Xeon with AVX-512 (tools/bench conv).
const TileWay kLargeTiles = {.side = kSide, .in = kVector, .out = kVector, .input_cost = 40.0, .output_cost = 40.0, .whole_cost = 1.1,
                             .gradient_always_pays = false, .convolve = convolved, .filter_gradient = filter_gradient};

}  // namespace espalier::engine
