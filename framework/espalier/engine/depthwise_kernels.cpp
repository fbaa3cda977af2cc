#include "espalier/engine/depthwise_kernels.h"

#include "espalier/engine/lanes.h"

#include <algorithm>

#pragma GCC diagnostic ignored "-Wpsabi"  // see lanes.h

namespace espalier::engine::kernels {

namespace {

template <class T>
ESPALIER_INLINE void order_body(const float* from, float* to, int64_t channels, bool back) {
  int64_t c = 0;
  for (; c + kPair <= channels; c += kPair) {
    if (back) {
      store_in_order(to + c, load_pair(from + c), static_cast<const T*>(nullptr));
    } else {
      store_pair(to + c, load_in_order(from + c, static_cast<const T*>(nullptr)));
    }
  }
  std::copy(from + c, from + channels, to + c);
}

/// `kWidth` vectors of channels of `kPixels` neighbours in a run, which read the filters once: as many sums as do not wait for one
/// another.
template <int kPixels, int kWidth, class T>
ESPALIER_INLINE void gather_block(const T* from, const float* filters, const float* bias, T* to, const Run& run) {
  Pair sums[kPixels][kWidth];
#pragma GCC unroll 2
  for (int p = 0; p < kPixels; ++p)
#pragma GCC unroll 2
    for (int v = 0; v < kWidth; ++v) sums[p][v] = bias == nullptr ? Pair{} : load_pair(bias + v * kPair);
  for (size_t i = 0; i < run.count; ++i) {
    const T* source = from + run.terms[i].source;
    const float* filter = filters + run.terms[i].filter;
#pragma GCC unroll 2
    for (int v = 0; v < kWidth; ++v) {
      const Pair factor = load_pair(filter + v * kPair);
#pragma GCC unroll 2
      for (int p = 0; p < kPixels; ++p) sums[p][v] += factor * load_pair(source + p * run.source_step + v * kPair);
    }
  }
#pragma GCC unroll 2
  for (int p = 0; p < kPixels; ++p)
#pragma GCC unroll 2
    for (int v = 0; v < kWidth; ++v) store_pair(to + p * run.target_step + v * kPair, sums[p][v]);
}

/// The channels of one or two neighbours.
template <int kPixels, class T>
ESPALIER_INLINE void gather_pixels(const T* from, const float* filters, const float* bias, T* to, const Run& run, int64_t channels) {
  const auto bias_at = [bias](int64_t c) { return bias == nullptr ? nullptr : bias + c; };
  int64_t c = 0;
  for (; c + 2 * kPair <= channels; c += 2 * kPair) gather_block<kPixels, 2>(from + c, filters + c, bias_at(c), to + c, run);
  for (; c + kPair <= channels; c += kPair) gather_block<kPixels, 1>(from + c, filters + c, bias_at(c), to + c, run);
  for (; c < channels; c += kLanes) {
    const int64_t count = std::min(kLanes, channels - c);
    for (int p = 0; p < kPixels; ++p) {
      Lanes sum = bias == nullptr ? Lanes{} : load_upto(bias + c, count);
      for (size_t i = 0; i < run.count; ++i)
        sum += load_upto(filters + run.terms[i].filter + c, count) * load_upto(from + run.terms[i].source + p * run.source_step + c, count);
      store_upto(to + p * run.target_step + c, sum, count);
    }
  }
}

template <class T>
ESPALIER_INLINE void gather_body(const T* from, const float* filters, const float* bias, T* to, const Run& run, int64_t channels) {
  int64_t pixel = 0;
  for (; pixel + 2 <= run.pixels; pixel += 2, from += 2 * run.source_step, to += 2 * run.target_step)
    gather_pixels<2>(from, filters, bias, to, run, channels);
  if (pixel < run.pixels) gather_pixels<1>(from, filters, bias, to, run, channels);
}

/// Adds the products of gradients and pixels, channel by channel: of some channels all places, while their values are in the cache.
template <class T>
ESPALIER_INLINE void correlate_body(const T* gradient, const T* x, float* sums, const Meeting* meetings, size_t count, int64_t channels) {
  int64_t c = 0;
  for (; c + kPair <= channels; c += kPair)
    for (size_t i = 0; i < count; ++i) {
      const Meeting& m = meetings[i];
      Pair even = load_pair(sums + m.place + c);
      Pair odd = {};
      for (int64_t row = 0; row < m.rows; ++row) {
        const T* dy = gradient + m.window + row * m.window_row + c;
        const T* in = x + m.pixel + row * m.pixel_row + c;
        int64_t column = 0;
        for (; column + 2 <= m.columns; column += 2) {
          even += load_pair(dy) * load_pair(in);
          odd += load_pair(dy + m.window_step) * load_pair(in + m.pixel_step);
          dy += 2 * m.window_step;
          in += 2 * m.pixel_step;
        }
        if (column < m.columns) even += load_pair(dy) * load_pair(in);
      }
      store_pair(sums + m.place + c, even + odd);
    }
  for (; c < channels; c += kLanes)
    for (size_t i = 0; i < count; ++i) {
      const Meeting& m = meetings[i];
      const int64_t lanes = std::min(kLanes, channels - c);
      Lanes sum = load_upto(sums + m.place + c, lanes);
      for (int64_t row = 0; row < m.rows; ++row)
        for (int64_t column = 0; column < m.columns; ++column)
          sum += load_upto(gradient + m.window + row * m.window_row + column * m.window_step + c, lanes) *
                 load_upto(x + m.pixel + row * m.pixel_row + column * m.pixel_step + c, lanes);
      store_upto(sums + m.place + c, sum, lanes);
    }
}

}  // namespace

#define ESPALIER_DEPTHWISE_KERNELS(T)                                                                                                 \
  ESPALIER_KERNEL void order_channels(const float* from, float* to, int64_t channels, bool back, const T*) {                          \
    order_body<T>(from, to, channels, back);                                                                                          \
  }                                                                                                                                   \
  ESPALIER_KERNEL void gather(const T* from, const float* filters, const float* bias, T* to, const Run& run, int64_t channels) {      \
    gather_body(from, filters, bias, to, run, channels);                                                                              \
  }                                                                                                                                   \
  ESPALIER_KERNEL void correlate(const T* gradient, const T* x, float* sums, const Meeting* meetings, size_t count, int64_t channels) { \
    correlate_body(gradient, x, sums, meetings, count, channels);                                                                     \
  }
ESPALIER_DEPTHWISE_KERNELS(float)
ESPALIER_DEPTHWISE_KERNELS(c10::BFloat16)
#undef ESPALIER_DEPTHWISE_KERNELS

}  // namespace espalier::engine::kernels
