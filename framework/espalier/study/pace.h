#pragma once

#include "espalier/json.h"
#include "espalier/study/asking.h"

#include <cstdint>
#include <filesystem>
#include <optional>

namespace espalier {

/// How fast this machine trains a network as a trial document says.
struct Pace {
  double step = 0.0;        ///< seconds of a step, the mean over a training where pictures grow
  double evaluation = 0.0;  ///< seconds of scoring a sample
  int64_t memory = 0;       ///< bytes at the most, the trainer's libraries among them
};

/// Who measures, and the folder in which this machine's measurements are kept.
struct Pacing {
  Trainer trainer;
  std::filesystem::path folder;
};

/// The trainer's profile of some steps of a trial. Throws E4010 with the cause.
Json profile_of(const Pacing& pacing, const Json& trial, int64_t steps);

/// What was measured before of the same network, training settings and processor; nothing if that never was.
std::optional<Pace> known_pace(const Pacing& pacing, const Json& trial);
/// Runs some steps and keeps what came of it.
Pace measure_pace(const Pacing& pacing, const Json& trial);

/// A training of so many rows: `epochs` is the greatest number of them.
struct Duration {
  int64_t steps = 0;   ///< of an epoch
  double epoch = 0.0;  ///< seconds, its validation among them
  double epochs = 0.0;
  double all() const { return epoch * epochs; }
};
Duration duration_of(const Json& train, const Pace& pace, int64_t train_rows, int64_t validation_rows);

/// A machine's processors shared among trials at a time.
struct Share {
  int64_t workers = 1;
  int64_t threads = 1;  ///< of each
  double gain = 1.0;    ///< trainings in the same time, beside one at a time that has all processors
};

/// The share that trains fastest: steps of this trial by 1, 2, 4, ... trainers at once. One at a time unless more are faster
/// by a tenth: what is found out together cannot be learned from.
Share measure_share(const Pacing& pacing, const Json& trial, int64_t processors);

}  // namespace espalier
