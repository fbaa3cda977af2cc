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

ESPALIER_INLINE Bits bits_of(const Lanes& lanes) {
  Bits bits;
  std::memcpy(&bits, &lanes, sizeof bits);
  return bits;
}

ESPALIER_INLINE Lanes lanes_of(const Bits& bits) {
  Lanes lanes;
  std::memcpy(&lanes, &bits, sizeof lanes);
  return lanes;
}

/// The upper halves are what is nearest in bfloat16, ties to even.
ESPALIER_INLINE Bits rounded(const Lanes& lanes) {
  const Bits bits = bits_of(lanes);
  return bits + 0x7fffU + ((bits >> 16) & 1U);
}

ESPALIER_INLINE Lanes load(const float* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

ESPALIER_INLINE Lanes load(const c10::BFloat16* from) {
  Halves halves;
  std::memcpy(&halves, from, sizeof halves);
  return lanes_of(__builtin_convertvector(halves, Bits) << 16);
}

ESPALIER_INLINE void store(float* to, const Lanes& lanes) { std::memcpy(to, &lanes, sizeof lanes); }

ESPALIER_INLINE void store(c10::BFloat16* to, const Lanes& lanes) {
  const Halves halves = __builtin_convertvector(rounded(lanes) >> 16, Halves);
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

/// Sixteen values of memory in two vectors: of floats the lower and the upper eight, of bfloat16 those at even and those at odd
/// places, which are the halves of eight words and come apart by a shift and a mask.
struct Pair {
  Lanes a;
  Lanes b;
};

constexpr int64_t kPair = 2 * kLanes;

ESPALIER_INLINE Pair load_pair(const float* from) { return {load(from), load(from + kLanes)}; }

ESPALIER_INLINE Bits load_words(const void* from) {
  Bits words;
  std::memcpy(&words, from, sizeof words);
  return words;
}

ESPALIER_INLINE Pair load_pair(const c10::BFloat16* from) {
  const Bits words = load_words(from);
  return {lanes_of(words << 16), lanes_of(words & 0xffff0000U)};
}

ESPALIER_INLINE void store_pair(float* to, const Pair& pair) {
  store(to, pair.a);
  store(to + kLanes, pair.b);
}

ESPALIER_INLINE void store_pair(c10::BFloat16* to, const Pair& pair) {
  const Bits words = (rounded(pair.a) >> 16) | (rounded(pair.b) & 0xffff0000U);
  std::memcpy(static_cast<void*>(to), &words, sizeof words);
}

/// Sixteen floats in the order that a pair of `T` has, and back.
ESPALIER_INLINE Pair load_in_order(const float* from, const float*) { return load_pair(from); }
ESPALIER_INLINE Pair load_in_order(const float* from, const c10::BFloat16*) {
  const Lanes low = load(from);
  const Lanes high = load(from + kLanes);
  return {__builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14), __builtin_shufflevector(low, high, 1, 3, 5, 7, 9, 11, 13, 15)};
}
ESPALIER_INLINE void store_in_order(float* to, const Pair& pair, const float*) { store_pair(to, pair); }
ESPALIER_INLINE void store_in_order(float* to, const Pair& pair, const c10::BFloat16*) {
  store(to, __builtin_shufflevector(pair.a, pair.b, 0, 8, 1, 9, 2, 10, 3, 11));
  store(to + kLanes, __builtin_shufflevector(pair.a, pair.b, 4, 12, 5, 13, 6, 14, 7, 15));
}

ESPALIER_INLINE Pair operator+(const Pair& x, const Pair& y) { return {x.a + y.a, x.b + y.b}; }
ESPALIER_INLINE Pair operator-(const Pair& x, const Pair& y) { return {x.a - y.a, x.b - y.b}; }
ESPALIER_INLINE Pair operator*(const Pair& x, const Pair& y) { return {x.a * y.a, x.b * y.b}; }
ESPALIER_INLINE void operator+=(Pair& x, const Pair& y) { x = x + y; }

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
  return p * lanes_of((bits_of(shifted) << 23) + (127U << 23));
}

/// Of the normal distribution, to 2e-7: its density at z and its share below z (Abramowitz and Stegun, 7.1.26).
struct Normal {
  Lanes density;
  Lanes below;
};

ESPALIER_INLINE Normal normal(const Lanes& z) {
  const Lanes size = lanes_of(bits_of(z) & 0x7fffffffU);
  const Lanes bell = exponential(-0.5F * z * z);
  const Lanes t = 1.0F / (1.0F + 0.2316419F * size);
  Lanes p = t * 1.061405429F - 1.453152027F;
  p = p * t + 1.421413741F;
  p = p * t - 0.284496736F;
  p = p * t + 0.254829592F;
  const Lanes beyond = 0.5F * p * t * bell;
  return {0.39894228F * bell, z > 0.0F ? 1.0F - beyond : beyond};
}

ESPALIER_INLINE Lanes sigmoid(const Lanes& x) { return 1.0F / (1.0F + exponential(-x)); }

}  // namespace espalier::engine

#pragma GCC diagnostic pop
