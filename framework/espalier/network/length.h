#pragma once

#include "espalier/json.h"

#include <cstdint>

namespace espalier {

/// How long a training is, in steps of the optimizer.
struct Length {
  int64_t batch = 0;
  int64_t accumulate = 1;  ///< batches a step
  int64_t skipped = 0;     ///< rows that an epoch leaves out
  int64_t steps_per_epoch = 1;
  int64_t steps = 1;       ///< in all, if nothing ends it early
  int64_t epochs = 1;      ///< the last may be cut short
  int64_t patience = 0;    ///< 0: never ends early
  double min_delta = 0.0;
};

/// The length that a trial's "train" asks for on so many rows.
Length training_length(const Json& train, int64_t rows);

}  // namespace espalier
