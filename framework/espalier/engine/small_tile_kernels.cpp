#include "espalier/engine/small_tile_kernels.h"

#include <cassert>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace espalier::engine::small_tiles {

#if defined(__x86_64__)

#define ESPALIER_BF16 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#define ESPALIER_BF16_INLINE ESPALIER_BF16 __attribute__((always_inline)) inline

namespace {

using Floats = __m512;
constexpr __mmask16 kAll = 0xffff;

/// The lanes of channels that are left.
ESPALIER_BF16_INLINE __mmask16 some(int64_t channels) { return channels >= kVector ? 0xffffU : static_cast<__mmask16>((1U << channels) - 1U); }

ESPALIER_BF16_INLINE Floats load(const c10::BFloat16* from, __mmask16 lanes) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(lanes, from)), 16));
}

ESPALIER_BF16_INLINE void store(c10::BFloat16* to, Floats x, __mmask16 lanes) {
  _mm256_mask_storeu_epi16(to, lanes, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x)));
}

/// Channel by channel, both tiles side by side.
ESPALIER_BF16_INLINE void store(Twin* to, Floats first, Floats second, __mmask16 lanes) {
  const __m512i low = _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(first)));
  const __m512i high = _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(second)));
  _mm512_mask_storeu_epi32(to, lanes, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
}

struct Four {
  Floats x[4];
};
struct Sixteen {
  Four rows[4];
};

/// B^T d of Lavin and Gray (arXiv:1509.09308), along one axis.
ESPALIER_BF16_INLINE Four of_pixels(const Four& d) {
  return {{d.x[0] - d.x[2], d.x[1] + d.x[2], d.x[2] - d.x[1], d.x[1] - d.x[3]}};
}

/// A y: the transpose of what makes windows of sums.
ESPALIER_BF16_INLINE Four of_windows(Floats first, Floats second) { return {{first, first + second, first - second, -second}}; }

/// G g.
ESPALIER_BF16_INLINE Four of_filter(Floats a, Floats b, Floats c) {
  const Floats half = _mm512_set1_ps(0.5F);
  const Floats ends = half * (a + c);
  const Floats middle = half * b;
  return {{a, ends + middle, ends - middle, c}};
}

ESPALIER_BF16_INLINE Sixteen turned(const Sixteen& s) {
  Sixteen t;
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) t.rows[i].x[j] = s.rows[j].x[i];
  return t;
}

ESPALIER_BF16_INLINE Sixteen pixels_at(const Patch& pixels, int64_t c, __mmask16 lanes) {
  Sixteen d;
  for (int i = 0; i < 4; ++i) {
    Four row;
    for (int j = 0; j < 4; ++j) row.x[j] = load(pixels[static_cast<size_t>(4 * i + j)] + c, lanes);
    d.rows[i] = of_pixels(row);
  }
  d = turned(d);
  for (Four& row : d.rows) row = of_pixels(row);
  return turned(d);
}

ESPALIER_BF16_INLINE Sixteen windows_at(const Square& windows, int64_t c, __mmask16 lanes) {
  const Four top = of_windows(load(windows[0] + c, lanes), load(windows[1] + c, lanes));
  const Four bottom = of_windows(load(windows[2] + c, lanes), load(windows[3] + c, lanes));
  Sixteen d;
  for (int j = 0; j < 4; ++j) d.rows[j] = of_windows(top.x[j], bottom.x[j]);
  return turned(d);
}

ESPALIER_BF16_INLINE Sixteen filter_at(const float* from, int64_t row, int64_t k) {
  Four columns[3];
  for (int i = 0; i < 3; ++i)
    columns[i] = of_filter(_mm512_loadu_ps(from + (3 * i) * row + k), _mm512_loadu_ps(from + (3 * i + 1) * row + k),
                           _mm512_loadu_ps(from + (3 * i + 2) * row + k));
  Sixteen u;
  for (int j = 0; j < 4; ++j) u.rows[j] = of_filter(columns[0].x[j], columns[1].x[j], columns[2].x[j]);
  return turned(u);
}

template <int kRows, int kColumns>
ESPALIER_BF16 void block(const Products<Twin>& p) {
  // All loops over the registers are unrolled: else GCC keeps the sums in memory before and after.
  Floats sums[kRows][kColumns];
  float* const c = p.c;
  const int64_t c_row = p.c_row;
  if (p.add) {
#pragma GCC unroll 6
    for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < kColumns; ++j) sums[i][j] = _mm512_loadu_ps(c + i * c_row + j * kVector);
  } else {
#pragma GCC unroll 6
    for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < kColumns; ++j) sums[i][j] = _mm512_setzero_ps();
  }
  const Twin* a = p.a;
  const Twin* b = p.b;
  const int64_t a_row = p.a_row;
  for (int64_t step = 0; step < p.steps; ++step, a += p.a_step, b += p.b_step) {
    __m512bh right[kColumns];
#pragma GCC unroll 4
    for (int j = 0; j < kColumns; ++j) right[j] = reinterpret_cast<__m512bh>(_mm512_loadu_si512(b + j * kVector));
#pragma GCC unroll 6
    for (int i = 0; i < kRows; ++i) {
      const __m512bh left = reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(a[i * a_row])));
#pragma GCC unroll 4
      for (int j = 0; j < kColumns; ++j) sums[i][j] = _mm512_dpbf16_ps(sums[i][j], left, right[j]);
    }
  }
#pragma GCC unroll 6
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < kColumns; ++j) _mm512_storeu_ps(c + i * c_row + j * kVector, sums[i][j]);
}

template <int kColumns>
ESPALIER_BF16 void blocks(Products<Twin> p) {
  for (; p.rows >= kTileRows; p.rows -= kTileRows) {
    block<kTileRows, kColumns>(p);
    p.a += kTileRows * p.a_row;
    p.c += kTileRows * p.c_row;
  }
  switch (p.rows) {
    case 5: return block<5, kColumns>(p);
    case 4: return block<4, kColumns>(p);
    case 3: return block<3, kColumns>(p);
    case 2: return block<2, kColumns>(p);
    case 1: return block<1, kColumns>(p);
    default: return;
  }
}

}  // namespace

void multiply(const Products<Twin>& products) {
  switch (products.columns / kVector) {
    case 4: return blocks<4>(products);
    case 3: return blocks<3>(products);
    case 2: return blocks<2>(products);
    default: return blocks<1>(products);
  }
}

ESPALIER_BF16 void transform_pixels(const Patch& pixels, c10::BFloat16* to, int64_t place, int64_t channels) {
  for (int64_t c = 0; c < channels; c += kVector) {
    const __mmask16 lanes = some(channels - c);
    const Sixteen v = pixels_at(pixels, c, lanes);
    for (int p = 0; p < kPlaces; ++p) store(to + p * place + c, v.rows[p / 4].x[p % 4], lanes);
  }
}

ESPALIER_BF16 void transform_pixels(const Patch& first, const Patch& second, Twin* to, int64_t place, int64_t channels) {
  for (int64_t c = 0; c < channels; c += kVector) {
    const __mmask16 lanes = some(channels - c);
    const Sixteen v = pixels_at(first, c, lanes);
    const Sixteen w = pixels_at(second, c, lanes);
    for (int p = 0; p < kPlaces; ++p) store(to + p * place + c, v.rows[p / 4].x[p % 4], w.rows[p / 4].x[p % 4], lanes);
  }
}

ESPALIER_BF16 void transform_windows(const Square& first, const Square& second, Twin* to, int64_t place, int64_t channels) {
  for (int64_t c = 0; c < channels; c += kVector) {
    const Sixteen v = windows_at(first, c, kAll);
    const Sixteen w = windows_at(second, c, kAll);
    for (int p = 0; p < kPlaces; ++p) store(to + p * place + c, v.rows[p / 4].x[p % 4], w.rows[p / 4].x[p % 4], kAll);
  }
}

ESPALIER_BF16 void restore_windows(const float* from, int64_t place, const float* bias, const Targets& to, int64_t channels) {
  for (int64_t c = 0; c < channels; c += kVector) {
    Floats left[4];   // A^T along each row, the first and the second window
    Floats right[4];
    for (int i = 0; i < 4; ++i) {
      Four m;
      for (int j = 0; j < 4; ++j) m.x[j] = _mm512_loadu_ps(from + (4 * i + j) * place + c);
      left[i] = m.x[0] + m.x[1] + m.x[2];
      right[i] = m.x[1] - m.x[2] - m.x[3];
    }
    const Floats offset = bias == nullptr ? _mm512_setzero_ps() : _mm512_loadu_ps(bias + c);
    if (to[0] != nullptr) store(to[0] + c, left[0] + left[1] + left[2] + offset, kAll);
    if (to[1] != nullptr) store(to[1] + c, right[0] + right[1] + right[2] + offset, kAll);
    if (to[2] != nullptr) store(to[2] + c, left[1] - left[2] - left[3] + offset, kAll);
    if (to[3] != nullptr) store(to[3] + c, right[1] - right[2] - right[3] + offset, kAll);
  }
}

ESPALIER_BF16 void transform_filters(const float* first, const float* second, int64_t row, Twin* to, int64_t place, int64_t channels) {
  for (int64_t k = 0; k < channels; k += kVector) {
    const Sixteen u = filter_at(first, row, k);
    const Sixteen v = filter_at(second, row, k);
    for (int p = 0; p < kPlaces; ++p) store(to + p * place + k, u.rows[p / 4].x[p % 4], v.rows[p / 4].x[p % 4], kAll);
  }
}

ESPALIER_BF16 void restore_filters(const float* from, int64_t place, float* to, int64_t row, int64_t channels) {
  const Floats half = _mm512_set1_ps(0.5F);
  for (int64_t k = 0; k < channels; k += kVector) {
    Floats columns[3][4];  // G^T along each column
    for (int j = 0; j < 4; ++j) {
      Four m;
      for (int i = 0; i < 4; ++i) m.x[i] = _mm512_loadu_ps(from + (4 * i + j) * place + k);
      const Floats ends = half * (m.x[1] + m.x[2]);
      columns[0][j] = m.x[0] + ends;
      columns[1][j] = half * (m.x[1] - m.x[2]);
      columns[2][j] = ends + m.x[3];
    }
    for (int i = 0; i < 3; ++i) {
      const Floats ends = half * (columns[i][1] + columns[i][2]);
      _mm512_storeu_ps(to + (3 * i) * row + k, columns[i][0] + ends);
      _mm512_storeu_ps(to + (3 * i + 1) * row + k, half * (columns[i][1] - columns[i][2]));
      _mm512_storeu_ps(to + (3 * i + 2) * row + k, ends + columns[i][3]);
    }
  }
}

#else

void multiply(const Products<Twin>&) { assert(false); }
void transform_pixels(const Patch&, c10::BFloat16*, int64_t, int64_t) { assert(false); }
void transform_pixels(const Patch&, const Patch&, Twin*, int64_t, int64_t) { assert(false); }
void transform_windows(const Square&, const Square&, Twin*, int64_t, int64_t) { assert(false); }
void restore_windows(const float*, int64_t, const float*, const Targets&, int64_t) { assert(false); }
void transform_filters(const float*, const float*, int64_t, Twin*, int64_t, int64_t) { assert(false); }
void restore_filters(const float*, int64_t, float*, int64_t, int64_t) { assert(false); }

#endif

}  // namespace espalier::engine::small_tiles
