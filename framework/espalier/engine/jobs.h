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

/// Writes pictures as a training's first layers see them into attempt.write: for each layer that gives pixels to one that
/// does not, the "rows" (indices) as they are in evaluation and in "views" epochs, mixed as train.mix says. Tells "sheets", each
/// {"from", "file", "shape": [rows, 1 + views, H, W, C]}, raw bytes, and the fastest epoch's "milliseconds" for all rows.
void views(const Json& job, const Machine& machine, Channel& channel);

/// Tries networks without data ("networks" of the trial, each {"name", "network"}): shapes are what the documents say,
/// evaluation changes nothing, a seed gives the same bits, every parameter moves, losses of heads fall. Tells in "wrong"
/// what does not hold, a sentence each.
void check(const Json& job, Channel& channel);

}  // namespace espalier::engine
