#pragma once

#include "espalier/cli/studies.h"

#include <vector>

namespace espalier::cli {

/// A row each trial, in the order given; settings that vary get columns of their own, which may be left out.
Table trial_table(const std::vector<TrialRecord>& trials, const Objective& objective);

}  // namespace espalier::cli
