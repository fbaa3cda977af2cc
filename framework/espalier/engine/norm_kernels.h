#pragma once

#include "espalier/engine/norm_activation.h"

#include <c10/util/BFloat16.h>

#include <cstdint>

namespace espalier::engine::kernels {

/// Per channel: what the passes over memory need.
struct Channels {
  const float* factor;     ///< result = x * factor + offset
  const float* offset;
  const float* mean;       ///< of the batch
  const float* gain;       ///< gradient of x = dz * factor + x * gain + base
  const float* base;
};

// Passes over rows of channels, (rows, channels) in memory. Sums are over the rows: (channels) each.
#define ESPALIER_NORM_KERNELS(T)                                                                                                   \
  /** Distances from `origin` and their squares. */                                                                                \
  void moments(const T* x, int64_t rows, int64_t channels, const float* origin, float* sums, float* squares);                      \
  /** y = activation(x * factor + offset + residual); the residual may be nullptr. */                                              \
  void forward(Activation activation, const T* x, const T* residual, T* y, int64_t rows, int64_t channels, const Channels& on);    \
  /** The gradient before the activation, and its products with the distance from the mean. */                                     \
  void gradient_sums(Activation activation, const T* x, const T* y, const T* dy, int64_t rows, int64_t channels,                   \
                     const Channels& on, float* sums, float* products);                                                            \
  /** Gradients of x and of the residual; either may be nullptr. */                                                                \
  void backward(Activation activation, const T* x, const T* y, const T* dy, T* dx, T* dresidual, int64_t rows, int64_t channels,   \
                const Channels& on);
ESPALIER_NORM_KERNELS(float)
ESPALIER_NORM_KERNELS(c10::BFloat16)
#undef ESPALIER_NORM_KERNELS

}  // namespace espalier::engine::kernels
