#pragma once

#include "espalier/pipeline/assignments.h"
#include "espalier/pipeline/pipeline.h"
#include "espalier/pipeline/train_schema.h"

namespace espalier {

/// Reads all layers in their order: included files, the file, variants, the command line. False if a text was no YAML, so
/// that nothing more can be said.
bool read_layers(const PipelineRequest& request, const Catalogue& catalogue, Assignments& assignments, Problems& problems);

}  // namespace espalier
