#pragma once

#include "espalier/pipeline/assignments.h"
#include "espalier/pipeline/pipeline.h"

#include <string>
#include <vector>

namespace espalier {

/// What a search aims at unless the pipeline says otherwise: the only head's first metric, else the sum of the losses.
std::string default_objective(const std::vector<Output>& heads);

/// Reads {maximize: METRIC}, {minimize: METRIC} or a list of them. What cannot be read is told and left out.
std::vector<Objective> read_objectives(const Tree& tree, const std::vector<std::string>& nodes, Problems& problems);

/// Checks the objectives and the heads' metrics against what their answers can be scored by, and names each objective as the
/// trainer does: its head stands before it where there are several.
void settle_objectives(Pipeline& pipeline, const std::vector<Output>& heads, const Assignments& assignments, Problems& problems);

/// As a pipeline writes them: {maximize: METRIC}, or a list where there are several.
Json written(const std::vector<Objective>& objectives);

/// As stores and programs read them: {"metric", "maximize"} of the first, and a list of such below "others" if there are any.
Json objectives_to_json(const std::vector<Objective>& objectives);
std::vector<Objective> objectives_from_json(const Json& document);

}  // namespace espalier
