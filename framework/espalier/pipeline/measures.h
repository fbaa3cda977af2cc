#pragma once

#include "espalier/network.h"

#include <string>
#include <vector>

namespace espalier {

/// What a network is known by before it is trained: constraints and objectives may name it.
struct Measure {
  std::string name;
  double (*value)(const Network& network, int64_t batch);  ///< of a training in batches of so many samples
};

/// Every measure there is: parameters, macs (of one sample, forward), memory (bytes that a training takes).
const std::vector<Measure>& measures();
/// Nullptr if there is none of that name.
const Measure* find_measure(const std::string& name);

}  // namespace espalier
