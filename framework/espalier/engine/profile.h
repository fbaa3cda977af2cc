#pragma once

#include "espalier/engine/jobs.h"

namespace espalier::engine {

/// Job "profile": "steps" training steps after as many steps of warming up, at most 5. Sends {"done": {"steps", "rows",
/// "step": seconds, "phases": {"data", "forward", "loss", "backward", "optimizer"}, "layers": [{"layer", "op", "from", "shape",
/// "macs", "forward", "backward"}]}}, all in seconds a step. The weights go through the very updates of a training.
void profile(const Json& job, const Machine& machine, Channel& channel);

}  // namespace espalier::engine
