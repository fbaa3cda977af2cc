#pragma once

#include "espalier/cli/studies.h"

#include <set>
#include <vector>

namespace espalier::cli {

/// A row each trial, in the order given; settings that vary get columns of their own, which may be left out. Where there are
/// several objectives, those on the Pareto front, whose numbers are `front`, are marked.
Table trial_table(const std::vector<TrialRecord>& trials, const std::vector<Objective>& objectives, const std::set<int64_t>& front);

}  // namespace espalier::cli
