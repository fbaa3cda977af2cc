#include "sobol.h"

#include <espalier/random.h>

#include <boost/random/sobol.hpp>

#include <algorithm>

namespace espalier::tuners {

namespace {

constexpr int kBits = 53;  // of a double in [0, 1)

double scrambled(uint64_t bits, uint64_t seed) {
  uint64_t out = 0;
  for (int depth = 0; depth < kBits; ++depth) {
    const uint64_t prefix = depth == 0 ? 0 : bits >> (64 - depth);
    const uint64_t node = (uint64_t{1} << depth) | prefix;  // of the tree of prefixes
    const uint64_t bit = (bits >> (63 - depth)) & 1;
    out = (out << 1) | (bit ^ (derive_seed(seed, node) >> 63));
  }
  return static_cast<double>(out) * 0x1.0p-53;
}

}  // namespace

std::vector<uint64_t> sobol_point(uint64_t index, size_t dimensions) {
  using Engine = boost::random::sobol_engine<uint64_t, 64>;
  std::vector<uint64_t> out(dimensions, 0);
  if (index == 0 || dimensions == 0) return out;  // the engine leaves the origin out
  const auto known = std::min<size_t>(dimensions, boost::random::default_sobol_table::max_dimension);
  Engine engine(known);
  engine.seed(index - 1);
  engine.generate(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(known));
  return out;
}

std::vector<double> scrambled_sobol_point(uint64_t index, size_t dimensions, uint64_t seed) {
  const std::vector<uint64_t> bits = sobol_point(index, dimensions);
  std::vector<double> out(dimensions);
  for (size_t d = 0; d < dimensions; ++d) {
    const bool known = d < boost::random::default_sobol_table::max_dimension;
    const uint64_t own = derive_seed(seed, d);
    out[d] = known ? scrambled(bits[d], own) : Random(derive_seed(own, index)).uniform();
  }
  return out;
}

}  // namespace espalier::tuners
