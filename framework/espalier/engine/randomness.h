#pragma once

#include "espalier/random.h"

#include <ATen/ATen.h>

#include <cstdint>
#include <span>

namespace espalier::engine {

struct Mixing;

/// What a pass draws from: seeded anew for every step, so that a training can go on from any step.
struct Randomness {
  Randomness(uint64_t augment_seed, uint64_t dropout_seed);
  Random augment;
  at::Generator dropout;
  /// What is drawn once a sample and then kept through the epochs (alternating flips) depends on these.
  std::span<const int64_t> rows = {};
  int64_t epoch = 0;
  double progress = 1.0;  ///< share of the training that is done
  uint64_t row_seed = 0;
  /// How samples are mixed in pairs where they are no longer pixels; nullptr: not at all.
  const Mixing* mixing = nullptr;
};

}  // namespace espalier::engine
