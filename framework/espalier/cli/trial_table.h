#pragma once

#include "espalier/cli/studies.h"

#include <set>
#include <vector>

namespace espalier::cli {

/// "0.9012", of a mean with the deviation of what it is a mean of: "0.9012 ± 0.0034"; "-" without a score.
std::string score_in_short(const TrialRecord& trial);
/// The 95 % confidence interval of a mean over replicates: "0.8970 to 0.9054"; "" if the trial has none.
std::string interval_in_short(const TrialRecord& trial);

/// A row each trial, in the order given; settings that vary get columns of their own, which may be left out. Where there are
/// several objectives, those on the Pareto front, whose numbers are `front`, are marked.
Table trial_table(const std::vector<TrialRecord>& trials, const std::vector<Objective>& objectives, const std::set<int64_t>& front);

}  // namespace espalier::cli
