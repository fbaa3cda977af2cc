#pragma once

#include "task.h"

namespace espalier::bench {

/// yahpo_<scenario>_<instance>: maximise the accuracy that the surrogate foretells. Where the scenario has epochs, they are
/// the steps of a training; the first epoch is the untrained network's and left out, so that step k is epoch k + 1. Other
/// fidelities stay at their largest.
void add_surrogates(Tasks& tasks, const std::filesystem::path& folder);

}  // namespace espalier::bench
