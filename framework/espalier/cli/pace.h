#pragma once

#include "espalier/json.h"

#include <cstdint>
#include <filesystem>
#include <optional>

namespace espalier::cli {

/// How fast this machine trains a network as a trial document says.
struct Pace {
  double step = 0.0;        ///< seconds of a step
  double evaluation = 0.0;  ///< seconds of scoring a sample
  int64_t memory = 0;       ///< bytes at the most, the trainer's libraries among them
};

/// What was measured before of the same network, training settings and processor; nothing if that never was.
std::optional<Pace> known_pace(const Json& trial);
/// Runs some steps and keeps what came of it in the cache folder.
Pace measure_pace(const Json& trial);

/// A training of so many rows: `epochs` is the greatest number of them.
struct Duration {
  int64_t steps = 0;  ///< of an epoch
  double epoch = 0.0; ///< seconds, its validation among them
  double epochs = 0.0;
  double all() const { return epoch * epochs; }
};
Duration duration_of(const Json& train, const Pace& pace, int64_t train_rows, int64_t validation_rows);

}  // namespace espalier::cli
