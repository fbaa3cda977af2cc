#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace espalier::tuners {

/// Point `index` of the Sobol sequence (Joe and Kuo's direction numbers; point 0 is the origin): a fraction of 2^64 for
/// each dimension. Dimensions beyond the table, a few thousand, are 0.
std::vector<uint64_t> sobol_point(uint64_t index, size_t dimensions);

/// The same point scrambled (Owen 1995, nested uniform: each bit is flipped by a coin of its own for every prefix of higher
/// bits), in [0, 1). Any 2^k points from a multiple of 2^k on fill each of 2^k strata of every dimension once.
std::vector<double> scrambled_sobol_point(uint64_t index, size_t dimensions, uint64_t seed);

}  // namespace espalier::tuners
