#pragma once

#include <c10/util/BFloat16.h>

#include <cstddef>
#include <cstdint>

// The inner loops of depthwise convolutions. Filters and their gradients are rows of channels, one row a place of the kernel, each
// sixteen channels in the order that a pair of vectors of the pictures' type has.
namespace espalier::engine::kernels {

/// What a target pixel is the sum of: rows of the ordered filters, and sources.
struct Term {
  int64_t filter;
  int64_t source;
};

/// Target pixels of one row that differ by where they and their sources are alone.
struct Run {
  const Term* terms;  ///< of the first
  size_t count;
  int64_t pixels;
  int64_t target_step, source_step;  ///< values from one to the next
};

/// One place of the kernel in one picture: a rectangle of windows and the pixels that they have there.
struct Meeting {
  int64_t place;  ///< its first sum
  int64_t rows, columns;
  int64_t window, window_row, window_step;  ///< values from the picture's first, and to the next row and column
  int64_t pixel, pixel_row, pixel_step;
};

#define ESPALIER_DEPTHWISE_KERNELS(T)                                                                                                 \
  /** Puts a row of channels into the order of filters for pictures of T, or takes it `back`; no picture is read. */                    \
  void order_channels(const float* from, float* to, int64_t channels, bool back, const T* pictures);                                  \
  /** The targets of a run: the sums of filters times sources, and of the bias, which may be nullptr. */                              \
  void gather(const T* from, const float* filters, const float* bias, T* to, const Run& run, int64_t channels);                       \
  /** Adds the products of gradients and pixels to the sums, channel by channel. */                                                   \
  void correlate(const T* gradient, const T* x, float* sums, const Meeting* meetings, size_t count, int64_t channels);
ESPALIER_DEPTHWISE_KERNELS(float)
ESPALIER_DEPTHWISE_KERNELS(c10::BFloat16)
#undef ESPALIER_DEPTHWISE_KERNELS

}  // namespace espalier::engine::kernels
