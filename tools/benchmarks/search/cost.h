#pragma once

#include "options.h"

namespace espalier::bench {

/// By tuner and length of the history (the checkpoints): milliseconds of one proposal, the median of several.
Json proposals_document(const Options& options, const Registry& registry);

/// By tuner and checkpoint: milliseconds of a whole instantaneous trial through a SQLite store in `folder`, the mean since
/// the checkpoint before: trials read, proposed, added, claimed, an epoch recorded, completed.
Json store_document(const Options& options, const Registry& registry);

/// By tuner and checkpoint: MiB of resident memory of a study through a store in `folder` after so many trials.
Json memory_document(const Options& options, const Registry& registry);

}  // namespace espalier::bench
