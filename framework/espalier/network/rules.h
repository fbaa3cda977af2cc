#pragma once

#include "espalier/network/operations.h"

#include <fmt/format.h>

namespace espalier {

// What the rules of several operations ask of their settings and inputs. All throw Misfit.

inline int64_t integer(const Json& set, const char* key) { return set.at(key).get<int64_t>(); }

inline int64_t at_least(int64_t least, const Json& set, const char* key) {
  const int64_t value = integer(set, key);
  if (value < least) throw Misfit{0, fmt::format("{} is {}; it is at least {}", key, value, least)};
  return value;
}

/// Both bounds included.
inline double number_within(double least, double most, const Json& set, const char* key) {
  const double value = set.at(key).get<double>();
  if (!(value >= least && value <= most)) throw Misfit{0, fmt::format("{} is {}; it is {} to {}", key, value, least, most)};
  return value;
}

inline const Shape& picture(const Operation::Shapes& in) {
  if (in[0].size() != 3) throw Misfit{0, "it takes a picture (channels, height, width)"};
  return in[0];
}

}  // namespace espalier
