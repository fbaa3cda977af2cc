#pragma once

#include "task.h"

namespace espalier::bench {

/// taskset_*: 1,000 configurations of an optimizer with their curves of validation loss, each of 51 points. The first point
/// is the untrained network's and left out, so that step k is point k + 1. Proposals are moved to the nearest configuration
/// that was measured and not tried.
void add_taskset(Tasks& tasks, const std::filesystem::path& folder);

}  // namespace espalier::bench
