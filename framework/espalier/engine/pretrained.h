#pragma once

#include "espalier/engine/weights.h"
#include "espalier/json.h"

namespace espalier::engine {

/// Puts the tensors of files into the network as a trial's "pretrained" says: [{"node", "file", "sha256", "tensors": {key:
/// name in the file}}, ...]. Throws E2094 if a file is not the one of the trial, E0420 if a tensor does not fit.
void load_pretrained(const Json& trial, Weights& weights);

}  // namespace espalier::engine
