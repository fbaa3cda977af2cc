#pragma once

#include "espalier/engine/session.h"

namespace espalier::engine {

/// Scores a split ("split": test, validation or train) with the weights of attempt.read; tells the baseline, the
/// confusion of classes and a sample of residuals.
void evaluate(const Json& job, const Machine& machine, Channel& channel);

/// Writes attempt.write/predictions.json for "rows" (indices, or the name of a split), or for "pictures" ({"path",
/// "shape": [N, H, W, C]}, raw bytes).
void predict(const Json& job, const Machine& machine, Channel& channel);

/// Writes attempt.write/features.json for one row ("row"): filters of the first convolution and maps of the first two.
void features(const Json& job, const Machine& machine, Channel& channel);

/// Runs one training step's forward and backward pass on blank inputs, without data: every operation is there and every
/// shape is what the document says.
void check(const Json& job, const Machine& machine, Channel& channel);

}  // namespace espalier::engine
