#include "espalier/engine/large_tile_kernels.h"

#include "espalier/data/processor.h"
#include "espalier/engine/lanes.h"

#pragma GCC diagnostic ignored "-Wpsabi"  // see lanes.h

namespace espalier::engine::large_tiles {

namespace {

using Six = std::array<Lanes, 6>;
// The transforms of arXiv:1509.09308 for 4 windows of 3, along one axis; interpolated at 0, 1, -1, 2, -2 and infinity.

/// B^T d.
ESPALIER_INLINE Six of_pixels(const Six& d) {
  const Lanes even = d[4] - 4.0F * d[2];
  const Lanes odd = d[3] - 4.0F * d[1];
  const Lanes even_half = d[4] - d[2];
  const Lanes odd_half = 2.0F * (d[3] - d[1]);
  return {4.0F * d[0] - 5.0F * d[2] + d[4], even + odd, even - odd, even_half + odd_half, even_half - odd_half,
          4.0F * d[1] - 5.0F * d[3] + d[5]};
}

/// A y: the transpose of what makes windows of sums.
ESPALIER_INLINE Six of_windows(const Lanes& a, const Lanes& b, const Lanes& c, const Lanes& d) {
  const Lanes even = a + c;
  const Lanes odd = b + d;
  const Lanes even_twice = a + 4.0F * c;
  const Lanes odd_twice = 2.0F * b + 8.0F * d;
  return {a, even + odd, even - odd, even_twice + odd_twice, even_twice - odd_twice, d};
}

/// A^T m.
ESPALIER_INLINE std::array<Lanes, 4> to_windows(const Six& m) {
  const Lanes sum = m[1] + m[2];
  const Lanes difference = m[1] - m[2];
  const Lanes sum_twice = m[3] + m[4];
  const Lanes difference_twice = m[3] - m[4];
  return {m[0] + sum + sum_twice, difference + 2.0F * difference_twice, sum + 4.0F * sum_twice, difference + 8.0F * difference_twice + m[5]};
}

/// G g.
ESPALIER_INLINE Six of_filter(const Lanes& a, const Lanes& b, const Lanes& c) {
  const Lanes ends = (-1.0F / 6.0F) * (a + c);
  const Lanes middle = (1.0F / 6.0F) * b;
  const Lanes ends_twice = (1.0F / 24.0F) * a + (1.0F / 6.0F) * c;
  const Lanes middle_twice = (1.0F / 12.0F) * b;
  return {0.25F * a, ends - middle, ends + middle, ends_twice + middle_twice, ends_twice - middle_twice, c};
}

/// G^T u.
ESPALIER_INLINE std::array<Lanes, 3> to_filter(const Six& u) {
  const Lanes sum = (-1.0F / 6.0F) * (u[1] + u[2]);
  const Lanes sum_twice = u[3] + u[4];
  return {0.25F * u[0] + sum + (1.0F / 24.0F) * sum_twice, (1.0F / 6.0F) * (u[2] - u[1]) + (1.0F / 12.0F) * (u[3] - u[4]),
          sum + (1.0F / 6.0F) * sum_twice + u[5]};
}

/// Places are written column by column: place (i, j) at 6 * j + i.
ESPALIER_INLINE void store_column(float* to, int64_t place, const Six& values) {
  for (size_t i = 0; i < values.size(); ++i) store(to + static_cast<int64_t>(i) * place, values[i]);
}

/// The registers of AVX-512.
using Wide = float __attribute__((vector_size(64)));

template <class Vector, int kRows, int kColumns>
ESPALIER_INLINE void block(const Products<float>& p, int64_t row, int64_t column) {
  constexpr int64_t kWidth = sizeof(Vector) / sizeof(float);
  // All loops over the registers are unrolled: else GCC keeps the sums in memory before and after.
  Vector sums[kRows][kColumns];
  const float* a = p.a + row * p.a_row;
  const float* b = p.b + column;
  float* const c = p.c + row * p.c_row + column;
  const int64_t a_row = p.a_row;
  const int64_t c_row = p.c_row;
#pragma GCC unroll 6
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < kColumns; ++j) {
      sums[i][j] = Vector{};
      if (p.add) std::memcpy(&sums[i][j], c + i * c_row + j * kWidth, sizeof(Vector));
    }
  for (int64_t step = 0; step < p.steps; ++step, a += p.a_step, b += p.b_step) {
    Vector right[kColumns];
#pragma GCC unroll 4
    for (int j = 0; j < kColumns; ++j) std::memcpy(&right[j], b + j * kWidth, sizeof(Vector));
#pragma GCC unroll 6
    for (int i = 0; i < kRows; ++i) {
      const float left = a[i * a_row];
#pragma GCC unroll 4
      for (int j = 0; j < kColumns; ++j) sums[i][j] += left * right[j];
    }
  }
#pragma GCC unroll 6
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < kColumns; ++j) std::memcpy(c + i * c_row + j * kWidth, &sums[i][j], sizeof(Vector));
}

template <class Vector, int kColumns>
ESPALIER_INLINE void rows_of_blocks(const Products<float>& p, int64_t column) {
  int64_t row = 0;
  for (; row + kTileRows <= p.rows; row += kTileRows) block<Vector, kTileRows, kColumns>(p, row, column);
  for (; row + 2 <= p.rows; row += 2) block<Vector, 2, kColumns>(p, row, column);
  if (row < p.rows) block<Vector, 1, kColumns>(p, row, column);
}

/// As many columns at a time as there are registers for.
template <class Vector, int kColumns>
ESPALIER_INLINE void products_in(const Products<float>& p) {
  constexpr int64_t kWidth = sizeof(Vector) / sizeof(float);
  int64_t column = 0;
  for (; column + kColumns * kWidth <= p.columns; column += kColumns * kWidth) rows_of_blocks<Vector, kColumns>(p, column);
  for (; column + kWidth <= p.columns; column += kWidth) rows_of_blocks<Vector, 1>(p, column);
  for (; column < p.columns; column += kLanes) rows_of_blocks<Lanes, 1>(p, column);
}

ESPALIER_KERNEL void multiply_eights(const Products<float>& p) { products_in<Lanes, 2>(p); }

#if defined(__x86_64__)
__attribute__((target("arch=x86-64-v4,prefer-vector-width=512"))) void multiply_sixteens(const Products<float>& p) { products_in<Wide, 4>(p); }
#else
void multiply_sixteens(const Products<float>& p) { multiply_eights(p); }
#endif

}  // namespace

void multiply(const Products<float>& products) {
  static const bool by_sixteens = has_avx512();
  by_sixteens ? multiply_sixteens(products) : multiply_eights(products);
}

ESPALIER_KERNEL void transform_pixels(const Patch& pixels, float* to, int64_t place, int64_t channels) {
  for (int64_t c = 0; c < channels; c += kLanes) {
    Six rows[kPixels];  // each transformed along its columns
    for (size_t i = 0; i < kPixels; ++i) {
      Six row;
      for (size_t j = 0; j < kPixels; ++j) row[j] = load(pixels[kPixels * i + j] + c);
      rows[i] = of_pixels(row);
    }
    for (size_t j = 0; j < kPixels; ++j)
      store_column(to + static_cast<int64_t>(j) * kPixels * place + c, place,
                   of_pixels({rows[0][j], rows[1][j], rows[2][j], rows[3][j], rows[4][j], rows[5][j]}));
  }
}

ESPALIER_KERNEL void transform_windows(const Square& windows, float* to, int64_t place, int64_t channels) {
  for (int64_t c = 0; c < channels; c += kLanes) {
    Six rows[kSide];
    for (size_t i = 0; i < kSide; ++i)
      rows[i] = of_windows(load(windows[kSide * i] + c), load(windows[kSide * i + 1] + c), load(windows[kSide * i + 2] + c),
                           load(windows[kSide * i + 3] + c));
    for (size_t j = 0; j < kPixels; ++j)
      store_column(to + static_cast<int64_t>(j) * kPixels * place + c, place, of_windows(rows[0][j], rows[1][j], rows[2][j], rows[3][j]));
  }
}

ESPALIER_KERNEL void restore_windows(const float* from, int64_t place, const float* bias, const Targets& to, int64_t channels) {
  for (int64_t c = 0; c < channels; c += kLanes) {
    std::array<Lanes, 4> columns[kPixels];  // each restored along its rows
    for (size_t j = 0; j < kPixels; ++j) {
      Six column;
      for (size_t i = 0; i < kPixels; ++i) column[i] = load(from + static_cast<int64_t>(kPixels * j + i) * place + c);
      columns[j] = to_windows(column);
    }
    const Lanes offset = bias == nullptr ? Lanes{} : load(bias + c);
    for (size_t i = 0; i < kSide; ++i) {
      const std::array<Lanes, 4> row = to_windows({columns[0][i], columns[1][i], columns[2][i], columns[3][i], columns[4][i], columns[5][i]});
      for (size_t j = 0; j < kSide; ++j)
        if (float* target = to[kSide * i + j]; target != nullptr) store(target + c, row[j] + offset);
    }
  }
}

ESPALIER_KERNEL void transform_filters(const float* from, int64_t row, float* to, int64_t place, int64_t channels) {
  for (int64_t k = 0; k < channels; k += kLanes) {
    Six rows[3];
    for (int64_t i = 0; i < 3; ++i)
      rows[i] = of_filter(load(from + 3 * i * row + k), load(from + (3 * i + 1) * row + k), load(from + (3 * i + 2) * row + k));
    for (size_t j = 0; j < kPixels; ++j)
      store_column(to + static_cast<int64_t>(j) * kPixels * place + k, place, of_filter(rows[0][j], rows[1][j], rows[2][j]));
  }
}

ESPALIER_KERNEL void restore_filters(const float* from, int64_t place, float* to, int64_t row, int64_t channels) {
  for (int64_t k = 0; k < channels; k += kLanes) {
    std::array<Lanes, 3> columns[kPixels];
    for (size_t j = 0; j < kPixels; ++j) {
      Six column;
      for (size_t i = 0; i < kPixels; ++i) column[i] = load(from + static_cast<int64_t>(kPixels * j + i) * place + k);
      columns[j] = to_filter(column);
    }
    for (size_t i = 0; i < 3; ++i) {
      const std::array<Lanes, 3> filter = to_filter({columns[0][i], columns[1][i], columns[2][i], columns[3][i], columns[4][i], columns[5][i]});
      for (size_t j = 0; j < 3; ++j) store(to + static_cast<int64_t>(3 * i + j) * row + k, filter[j]);
    }
  }
}

}  // namespace espalier::engine::large_tiles
