#pragma once

#include "espalier/json.h"

#include <cstdint>
#include <optional>

namespace espalier::engine {

/// The factor of the learning rate at a step, 0 <= step < steps. `schedule` is {"name": "constant" | "cosine" | "linear"
/// | "step" | "one_cycle" | "plateau", ...}; lengths are fractions of the training, "every" of `step` counts epochs.
///
/// - warmup: rises linearly from `start` (default 0) to 1 over this fraction
/// - cosine, linear: then falls to `end` (default 0)
/// - step: times `factor` (0.1) at every `every` epochs (30)
/// - one_cycle: warmup 0.25 from 0.04, then along a cosine to `end` (0.0001)
/// - constant, plateau: then stays; what scores make of it is the plateau's factor
///
/// Throws E0427 for an unknown name.
double learning_rate_factor(const Json& schedule, int64_t step, int64_t steps, int64_t steps_per_epoch);

/// Where the schedule `plateau` stands, which follows the scores instead of a table.
struct Plateau {
  double factor = 1.0;         ///< of the learning rate
  int64_t waited = 0;          ///< epochs since the best score or the last drop
  std::optional<double> best;
};

/// After an epoch: where the objective has not bettered for `patience` epochs (default 5), the factor falls to its `factor`
/// part (0.1), not below `min` (0). Other schedules leave it at 1.
void observe(Plateau& plateau, const Json& schedule, double objective, bool maximize);

Json to_json(const Plateau& plateau);
Plateau plateau_from(const Json& document);

}  // namespace espalier::engine
