#pragma once

#include "espalier/store/store.h"

#include <optional>
#include <vector>

namespace espalier {

/// Fills what decides between equal objectives. `objective`: what a study says of it, {"others": [{"metric", "maximize"}]}.
void set_tie_breaks(TrialRecord& trial, const Json& objective);

/// By the objective, ties by the other objectives in their order; one with an objective is better than one without.
bool is_better(const TrialRecord& a, const TrialRecord& b, bool maximize);

/// Sorts trials from best to worst, equally good ones as they stood.
void sort_best_first(std::vector<TrialRecord>& trials, bool maximize);

/// The best of the trials that are complete or wait for more, equally good ones by the lower number; one without a score
/// only if none has one.
std::optional<TrialRecord> best_trial(const std::vector<TrialRecord>& trials, bool maximize);

}  // namespace espalier
