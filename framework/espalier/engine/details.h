#pragma once

#include "espalier/engine/metrics.h"
#include "espalier/json.h"

namespace espalier::engine {

/// What an evaluation says of one head beside its metrics. Of classes: "confusion" (rows are the truth), "by_class" [{"name",
/// "precision", "recall", "f1", "samples"}] (also of labels) and "reliability" [{"from", "to", "samples", "confidence",
/// "accuracy"}]. Of numbers: "residuals" [[truth, answer], ...] of the first ones and "by_range" [{"name" (where there are
/// several numbers), "from", "to", "samples", "bias", "mae", "rmse"}] for ranges of the target that hold about as many samples.
Json details(const Output& output, const Answers& answers);

}  // namespace espalier::engine
