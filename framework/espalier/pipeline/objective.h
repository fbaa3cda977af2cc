#pragma once

#include "espalier/pipeline/assignments.h"
#include "espalier/pipeline/pipeline.h"

#include <string>
#include <vector>

namespace espalier {

/// What a search aims at unless the pipeline says otherwise: the only head's first metric, else the sum of the losses.
std::string default_objective(const std::vector<Output>& heads);

/// Checks the objective and the heads' metrics against what their answers can be scored by, and names the objective as the
/// trainer does: its head stands before it where there are several.
void settle_objective(Pipeline& pipeline, const std::vector<Output>& heads, const Assignments& assignments, Problems& problems);

}  // namespace espalier
