#include "espalier/engine/norm_kernels.h"

#include "espalier/engine/lanes.h"

#include <algorithm>

#pragma GCC diagnostic ignored "-Wpsabi"  // see lanes.h

namespace espalier::engine::kernels {

namespace {

/// How a kernel reads and writes the channels of a row: sixteen at a time, and what is left in eights or fewer.
template <class T>
struct Sixteen {
  using Vector = Pair;
  static ESPALIER_INLINE Pair values(const T* from, int64_t) { return load_pair(from); }
  static ESPALIER_INLINE void put(T* to, const Pair& pair, int64_t) { store_pair(to, pair); }
  static ESPALIER_INLINE Pair constants(const float* from, int64_t) { return load_in_order(from, static_cast<const T*>(nullptr)); }
  static ESPALIER_INLINE void put_sums(float* to, const Pair& pair, int64_t) { store_in_order(to, pair, static_cast<const T*>(nullptr)); }
};

template <class T>
struct UptoEight {
  using Vector = Lanes;
  static ESPALIER_INLINE Lanes values(const T* from, int64_t count) { return load_upto(from, count); }
  static ESPALIER_INLINE void put(T* to, const Lanes& lanes, int64_t count) { store_upto(to, lanes, count); }
  static ESPALIER_INLINE Lanes constants(const float* from, int64_t count) { return load_upto(from, count); }
  static ESPALIER_INLINE void put_sums(float* to, const Lanes& lanes, int64_t count) { store_upto(to, lanes, count); }
};

/// Calls `Column<Access>::run(first channel, channels, arguments...)` for all channels.
template <class T, template <class> class Column, class... Arguments>
ESPALIER_INLINE void over_channels(int64_t channels, const Arguments&... arguments) {
  int64_t c = 0;
  for (; c + kPair <= channels; c += kPair) Column<Sixteen<T>>::run(c, kPair, arguments...);
  for (; c < channels; c += kLanes) Column<UptoEight<T>>::run(c, std::min(kLanes, channels - c), arguments...);
}

template <class T>
struct Rows {
  int64_t rows;
  int64_t channels;
  const T* x;
};

template <class Access>
struct Moments {
  template <class T>
  static ESPALIER_INLINE void run(int64_t c, int64_t count, const Rows<T>& in, const float* origin, float* sums, float* squares) {
    using Vector = typename Access::Vector;
    const Vector from = Access::constants(origin + c, count);
    Vector sum = {};
    Vector square = {};
    for (int64_t r = 0; r < in.rows; ++r) {
      const Vector d = Access::values(in.x + r * in.channels + c, count) - from;
      sum += d;
      square += d * d;
    }
    Access::put_sums(sums + c, sum, count);
    Access::put_sums(squares + c, square, count);
  }
};

// Comparisons are written so that what is not a number stays so and is seen.

ESPALIER_INLINE Lanes from_zero(const Lanes& z) { return z <= 0.0F ? Lanes{} : z; }

ESPALIER_INLINE Lanes upto_six(const Lanes& z) {
  const Lanes positive = from_zero(z);
  return positive > 6.0F ? all(6.0F) : positive;
}

template <Activation activation>
ESPALIER_INLINE Lanes activated(const Lanes& z) {
  if constexpr (activation == Activation::relu) return from_zero(z);
  if constexpr (activation == Activation::relu6) return upto_six(z);
  if constexpr (activation == Activation::hard_swish) return z * upto_six(z + 3.0F) * (1.0F / 6.0F);
  if constexpr (activation == Activation::silu) return z * sigmoid(z);
  if constexpr (activation == Activation::gelu) return z * normal(z).below;
  return z;
}

template <Activation activation>
ESPALIER_INLINE Pair activated(const Pair& z) {
  return {activated<activation>(z.a), activated<activation>(z.b)};
}

/// Gradient before the activation, from the one behind it; `z` is its argument, or with a residual the result.
template <Activation activation>
ESPALIER_INLINE Lanes before(const Lanes& gradient, const Lanes& z) {
  if constexpr (activation == Activation::relu) return z <= 0.0F ? Lanes{} : gradient;
  if constexpr (activation == Activation::relu6) return z <= 0.0F || z >= 6.0F ? Lanes{} : gradient;
  if constexpr (activation == Activation::hard_swish) {
    const Lanes slope = z > 3.0F ? all(1.0F) : z * (1.0F / 3.0F) + 0.5F;
    return z < -3.0F ? Lanes{} : gradient * slope;
  }
  if constexpr (activation == Activation::silu) {
    const Lanes s = sigmoid(z);
    return gradient * (s + z * s * (1.0F - s));
  }
  if constexpr (activation == Activation::gelu) {
    const Normal at = normal(z);
    return gradient * (at.below + z * at.density);
  }
  return gradient;
}

template <Activation activation>
ESPALIER_INLINE Pair before(const Pair& gradient, const Pair& z) {
  return {before<activation>(gradient.a, z.a), before<activation>(gradient.b, z.b)};
}

template <Activation activation>
struct Forward {
  template <class Access>
  struct Column {
    template <class T>
    static ESPALIER_INLINE void run(int64_t c, int64_t count, const Rows<T>& in, const T* residual, T* y, const Channels& on) {
      using Vector = typename Access::Vector;
      const Vector factor = Access::constants(on.factor + c, count);
      const Vector offset = Access::constants(on.offset + c, count);
      for (int64_t r = 0; r < in.rows; ++r) {
        const int64_t at = r * in.channels + c;
        Vector z = Access::values(in.x + at, count) * factor + offset;
        if (residual != nullptr) z += Access::values(residual + at, count);
        Access::put(y + at, activated<activation>(z), count);
      }
    }
  };
};

/// A result `y` stands for the activation's argument.
template <Activation activation, class Access, class T>
ESPALIER_INLINE typename Access::Vector gradient_before(const T* x, const T* y, const T* dy, int64_t at, int64_t count,
                                                        const typename Access::Vector& factor, const typename Access::Vector& offset) {
  const typename Access::Vector gradient = Access::values(dy + at, count);
  if constexpr (activation == Activation::none) return gradient;
  const typename Access::Vector z = y != nullptr ? Access::values(y + at, count) : Access::values(x + at, count) * factor + offset;
  return before<activation>(gradient, z);
}

/// Sums of the gradient, and of the gradient times the distance from the mean.
template <Activation activation>
struct GradientSums {
  template <class Access>
  struct Column {
    template <class T>
    static ESPALIER_INLINE void run(int64_t c, int64_t count, const Rows<T>& in, const T* y, const T* dy, const Channels& on, float* sums,
                                    float* products) {
      using Vector = typename Access::Vector;
      const Vector factor = Access::constants(on.factor + c, count);
      const Vector offset = Access::constants(on.offset + c, count);
      const Vector mean = Access::constants(on.mean + c, count);
      Vector sum = {};
      Vector product = {};
      for (int64_t r = 0; r < in.rows; ++r) {
        const int64_t at = r * in.channels + c;
        const Vector dz = gradient_before<activation, Access>(in.x, y, dy, at, count, factor, offset);
        sum += dz;
        product += dz * (Access::values(in.x + at, count) - mean);
      }
      Access::put_sums(sums + c, sum, count);
      Access::put_sums(products + c, product, count);
    }
  };
};

template <Activation activation>
struct Backward {
  template <class Access>
  struct Column {
    template <class T>
    static ESPALIER_INLINE void run(int64_t c, int64_t count, const Rows<T>& in, const T* y, const T* dy, T* dx, T* dresidual,
                                    const Channels& on) {
      using Vector = typename Access::Vector;
      const Vector factor = Access::constants(on.factor + c, count);
      const Vector offset = Access::constants(on.offset + c, count);
      const Vector gain = Access::constants(on.gain + c, count);
      const Vector base = Access::constants(on.base + c, count);
      for (int64_t r = 0; r < in.rows; ++r) {
        const int64_t at = r * in.channels + c;
        const Vector dz = gradient_before<activation, Access>(in.x, y, dy, at, count, factor, offset);
        if (dx != nullptr) Access::put(dx + at, dz * factor + Access::values(in.x + at, count) * gain + base, count);
        if (dresidual != nullptr) Access::put(dresidual + at, dz, count);
      }
    }
  };
};

/// Calls `Kernel<activation>::Column` over all channels.
template <class T, template <Activation> class Kernel, class... Arguments>
ESPALIER_INLINE void with_activation(Activation activation, int64_t channels, const Arguments&... arguments) {
  if (activation == Activation::relu) over_channels<T, Kernel<Activation::relu>::template Column>(channels, arguments...);
  if (activation == Activation::relu6) over_channels<T, Kernel<Activation::relu6>::template Column>(channels, arguments...);
  if (activation == Activation::hard_swish) over_channels<T, Kernel<Activation::hard_swish>::template Column>(channels, arguments...);
  if (activation == Activation::silu) over_channels<T, Kernel<Activation::silu>::template Column>(channels, arguments...);
  if (activation == Activation::gelu) over_channels<T, Kernel<Activation::gelu>::template Column>(channels, arguments...);
  if (activation == Activation::none) over_channels<T, Kernel<Activation::none>::template Column>(channels, arguments...);
}

}  // namespace

/// The kernels of one type of values: only plain functions can be cloned.
#define ESPALIER_NORM_KERNELS(T)                                                                                                   \
  ESPALIER_KERNEL void moments(const T* x, int64_t rows, int64_t channels, const float* origin, float* sums, float* squares) {     \
    over_channels<T, Moments>(channels, Rows<T>{rows, channels, x}, origin, sums, squares);                                        \
  }                                                                                                                                \
  ESPALIER_KERNEL void forward(Activation activation, const T* x, const T* residual, T* y, int64_t rows, int64_t channels,         \
                               const Channels& on) {                                                                               \
    with_activation<T, Forward>(activation, channels, Rows<T>{rows, channels, x}, residual, y, on);                                \
  }                                                                                                                                \
  ESPALIER_KERNEL void gradient_sums(Activation activation, const T* x, const T* y, const T* dy, int64_t rows, int64_t channels,   \
                                     const Channels& on, float* sums, float* products) {                                           \
    with_activation<T, GradientSums>(activation, channels, Rows<T>{rows, channels, x}, y, dy, on, sums, products);                 \
  }                                                                                                                                \
  ESPALIER_KERNEL void backward(Activation activation, const T* x, const T* y, const T* dy, T* dx, T* dresidual, int64_t rows,     \
                                int64_t channels, const Channels& on) {                                                            \
    with_activation<T, Backward>(activation, channels, Rows<T>{rows, channels, x}, y, dy, dx, dresidual, on);                      \
  }
ESPALIER_NORM_KERNELS(float)
ESPALIER_NORM_KERNELS(c10::BFloat16)
#undef ESPALIER_NORM_KERNELS

}  // namespace espalier::engine::kernels
