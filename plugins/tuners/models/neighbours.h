#pragma once

#include "encoding.h"

#include <vector>

namespace espalier::tuners {

/// A configuration that differs in one hyperparameter, and in which.
struct Neighbour {
  std::vector<double> row;
  size_t axis = 0;
};

/// All neighbours of a configuration: every other value of an axis that has up to 16, else what lies 1/4, 1/8 ... 1/64 of
/// the scale away on both sides, and the next values. What hangs below a changed branch starts at its first values.
std::vector<Neighbour> neighbours(const Space& space, const Encoding& encoding, std::span<const double> row);

}  // namespace espalier::tuners
