#pragma once

#include "espalier/data/prepare.h"
#include "espalier/data/stats.h"
#include "espalier/pipeline/pipeline.h"
#include "espalier/registry/registry.h"

#include <cstdint>
#include <vector>

namespace espalier::cli {

/// Rows of the prepared data beside views of them in as many epochs, as a training by the pipeline's first settings sees them:
/// a sheet for each place of the network where pixels become features. Throws E2205 if it takes no pictures.
std::vector<ViewSheet> training_views(const Pipeline& pipeline, const Registry& registry, const Preparation& preparation,
                                      const std::vector<int64_t>& rows, int64_t views);

}  // namespace espalier::cli
