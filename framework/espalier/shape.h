#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace espalier {

/// Extents of one sample, without the batch: (C, H, W) for pictures, (N) for vectors.
using Shape = std::vector<int64_t>;

/// Prints "(3, 32, 32)".
std::string to_string(const Shape& shape);

/// Number of elements of one sample.
int64_t elements(const Shape& shape);

/// Smallest integer not below `a / b`; `a >= 0`, `b > 0`.
constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace espalier
