#pragma once

#include "options.h"
#include "task.h"

namespace espalier::bench {

/// By task and tuner: what the best of so many trials has reached, for every seed and checkpoint.
Json single_document(const Options& options, const Tasks& tasks, const Registry& registry);

/// By task, "tuner + scheduler" and number of workers: what the incumbent would reach, for every seed and checkpoint.
Json curves_document(const Options& options, const Tasks& tasks, const Registry& registry);

}  // namespace espalier::bench
