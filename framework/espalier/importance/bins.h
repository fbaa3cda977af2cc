#pragma once

#include "espalier/json.h"

#include <cstdint>
#include <vector>

namespace espalier {

/// Values of one hyperparameter, sorted into bins.
struct Bins {
  std::vector<size_t> of;               ///< bin of each value given
  std::vector<int64_t> count;           ///< values in each bin
  std::vector<std::vector<Json>> ends;  ///< of each bin: one value, or the least and the greatest
  int64_t values = 0;                   ///< different ones
};

/// Words and booleans: a bin each. Numbers: a bin each where they are few, else bins of about equally many values; their
/// number grows with the cube root of the values'.
Bins make_bins(const std::vector<Json>& values);

}  // namespace espalier
