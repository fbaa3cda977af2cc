#pragma once

#include "espalier/json.h"

#include <cstdint>

namespace espalier::engine {

/// The factor of the learning rate at a step, 0 <= step < steps. `schedule` is {"name": "constant" | "cosine" | "linear"
/// | "step" | "one_cycle", ...}; lengths are fractions of the training, "every" of `step` counts epochs.
///
/// - warmup: rises linearly from `start` (default 0) to 1 over this fraction
/// - cosine, linear: then falls to `end` (default 0)
/// - step: times `factor` (0.1) at every `every` epochs (30)
/// - one_cycle: warmup 0.3 from 0.04, then along a cosine to `end` (0.0001)
double learning_rate_factor(const Json& schedule, int64_t step, int64_t steps, int64_t steps_per_epoch);

}  // namespace espalier::engine
