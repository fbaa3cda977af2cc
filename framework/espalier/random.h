#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace espalier {

/// Derives an independent seed from a seed and a name; nothing draws from a shared generator.
uint64_t derive_seed(uint64_t seed, std::string_view name);
uint64_t derive_seed(uint64_t seed, uint64_t index);

/// SplitMix64 (doi:10.1145/2660193.2660195): the same numbers on every machine and standard library.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  /// 64 uniform bits.
  uint64_t bits();
  /// Uniform in [0, 1).
  double uniform();
  /// Uniform integer in [0, n); n > 0.
  int64_t below(int64_t n);
  /// Standard normal (Box-Muller).
  double normal();

 private:
  uint64_t state_;
};

/// Every order is equally likely (Fisher and Yates, from the end).
template <class T>
void shuffle(std::vector<T>& items, Random& random) {
  for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[static_cast<size_t>(random.below(static_cast<int64_t>(i)))]);
}

}  // namespace espalier
