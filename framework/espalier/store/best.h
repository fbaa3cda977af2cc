#pragma once

#include "espalier/store/store.h"

#include <optional>
#include <vector>

namespace espalier {

/// Sorts trials that have an objective from best to worst, equally good ones as they stood.
void sort_best_first(std::vector<TrialRecord>& trials, bool maximize);

/// The best of the trials that are complete or wait for more, ties to the lower number; one without a score only if none
/// has one.
std::optional<TrialRecord> best_trial(const std::vector<TrialRecord>& trials, bool maximize);

}  // namespace espalier
