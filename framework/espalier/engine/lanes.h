#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>
#include <cstring>

// Vectors of eight floats for the engine's own kernels, the registers of AVX2 (wider ones are compiled badly where they are
// not native). Functions that use them are compiled once for each level of x86-64 and chosen when the program starts;
// elsewhere once.
#if defined(__x86_64__)
#define ESPALIER_KERNEL __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define ESPALIER_KERNEL
#endif
#define ESPALIER_INLINE __attribute__((always_inline)) inline

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"  // every function here is inlined: no vector is ever passed

namespace espalier::engine {

constexpr int64_t kLanes = 8;
using Lanes = float __attribute__((vector_size(32)));
using Bits = uint32_t __attribute__((vector_size(32)));
using Halves = uint16_t __attribute__((vector_size(16)));
using Bytes = uint8_t __attribute__((vector_size(8)));

ESPALIER_INLINE Lanes all(float value) { return Lanes{} + value; }

ESPALIER_INLINE Lanes load(const float* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

ESPALIER_INLINE Lanes load(const c10::BFloat16* from) {
  Halves halves;
  std::memcpy(&halves, from, sizeof halves);
  const Bits bits = __builtin_convertvector(halves, Bits) << 16;
  Lanes lanes;
  std::memcpy(&lanes, &bits, sizeof lanes);
  return lanes;
}

ESPALIER_INLINE void store(float* to, const Lanes& lanes) { std::memcpy(to, &lanes, sizeof lanes); }

/// Rounds to the nearest, ties to even.
ESPALIER_INLINE void store(c10::BFloat16* to, const Lanes& lanes) {
  Bits bits;
  std::memcpy(&bits, &lanes, sizeof bits);
  const Halves halves = __builtin_convertvector((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16, Halves);
  std::memcpy(to, &halves, sizeof halves);
}

/// The first `count` lanes; the others are zero.
template <class T>
ESPALIER_INLINE Lanes load_some(const T* from, int64_t count) {
  T part[kLanes] = {};
  std::memcpy(static_cast<void*>(part), from, static_cast<size_t>(count) * sizeof(T));
  return load(part);
}

template <class T>
ESPALIER_INLINE void store_some(T* to, const Lanes& lanes, int64_t count) {
  T part[kLanes];
  store(part, lanes);
  std::memcpy(static_cast<void*>(to), part, static_cast<size_t>(count) * sizeof(T));
}

template <class T>
ESPALIER_INLINE Lanes load_upto(const T* from, int64_t count) {
  return count >= kLanes ? load(from) : load_some(from, count);
}

template <class T>
ESPALIER_INLINE void store_upto(T* to, const Lanes& lanes, int64_t count) {
  if (count >= kLanes) {
    store(to, lanes);
  } else {
    store_some(to, lanes, count);
  }
}

/// e^x to 2 units in the last place, for |x| < 87; beyond, it stays finite.
ESPALIER_INLINE Lanes exponential(const Lanes& argument) {
  Lanes x = argument > 87.0F ? all(87.0F) : argument;
  x = x < -87.0F ? all(-87.0F) : x;
  // Adding 1.5 * 2^23 rounds to an integer, which then stands in the lowest bits.
  const Lanes shifted = x * 1.44269504F + 12582912.0F;
  const Lanes whole = shifted - 12582912.0F;
  const Lanes r = (x - whole * 0.693359375F) - whole * -2.12194440e-4F;
  Lanes p = r * (1.0F / 720.0F) + 1.0F / 120.0F;
  p = p * r + 1.0F / 24.0F;
  p = p * r + 1.0F / 6.0F;
  p = p * r + 0.5F;
  p = p * r + 1.0F;
  p = p * r + 1.0F;
  Bits bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << 23) + (127U << 23);
  Lanes power;
  std::memcpy(&power, &bits, sizeof power);
  return p * power;
}

ESPALIER_INLINE Lanes sigmoid(const Lanes& x) { return 1.0F / (1.0F + exponential(-x)); }

}  // namespace espalier::engine

#pragma GCC diagnostic pop
