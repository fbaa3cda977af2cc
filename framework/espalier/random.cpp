#include "espalier/random.h"

#include <cassert>
#include <cmath>
#include <numbers>

namespace espalier {

namespace {

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15ULL;

uint64_t mix(uint64_t z) {
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31U);
}

}  // namespace

uint64_t derive_seed(uint64_t seed, std::string_view name) {
  uint64_t h = mix(seed + kGolden);
  for (const char c : name) h = mix((h ^ static_cast<unsigned char>(c)) + kGolden);
  return h;
}

uint64_t derive_seed(uint64_t seed, uint64_t index) { return mix(mix(seed + kGolden) ^ (index * kGolden + 1)); }

uint64_t Random::bits() { return mix(state_ += kGolden); }

double Random::uniform() { return static_cast<double>(bits() >> 11U) * 0x1.0p-53; }

int64_t Random::below(int64_t n) {
  assert(n > 0);
  // Lemire's multiplication (arXiv:1805.10941); the bias is below 2^-40 for the sizes that occur here.
  __extension__ using Wide = unsigned __int128;  // GCC and Clang have it; ISO C++ does not
  const auto wide = static_cast<Wide>(bits()) * static_cast<Wide>(n);
  return static_cast<int64_t>(wide >> 64U);
}

double Random::normal() {
  const double u = 1.0 - uniform();
  const double v = uniform();
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

}  // namespace espalier
