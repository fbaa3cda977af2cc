#pragma once

#include "espalier/pipeline/pipeline.h"
#include "espalier/study/pace.h"

namespace espalier {

/// What a machine takes for each operation, by which other networks are predicted: measured once on a trial's network and kept
/// in the study, so that all workers agree. {"operations": {NAME: {"step": [a, b], "forward": [a, b]}}, "evaluation", "rest"}:
/// seconds a sample are a times multiply-adds plus b times output values; "evaluation" multiplies what is predicted of a
/// forward pass, "rest" are a step's other seconds for each parameter.
Json calibrate(const Pacing& pacing, const Json& trial);
/// The same of a profile that the trainer made of this network.
Json calibration_of(const Json& profile, const Network& network);

/// Seconds that a network takes with these training settings and numbers of rows.
Predicted predict(const Json& calibration, const Network& network, const Json& train, int64_t train_rows, int64_t validation_rows);

}  // namespace espalier
