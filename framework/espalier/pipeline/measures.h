#pragma once

#include "espalier/pipeline/pipeline.h"

#include <string>
#include <vector>

namespace espalier {

/// What a network is known by before it is trained: constraints and objectives may name it.
struct Measure {
  std::string name;
  double (*value)(const Network& network, int64_t batch) = nullptr;  ///< of a training in batches of so many samples
  double Predicted::*predicted = nullptr;                            ///< where `value` is null: what a study predicts
};

/// Every measure there is: parameters, macs (of one sample, forward), memory (bytes that a training takes), latency and time
/// (seconds).
const std::vector<Measure>& measures();
std::vector<std::string> measure_names();
/// Nullptr if there is none of that name.
const Measure* find_measure(const std::string& name);

}  // namespace espalier
