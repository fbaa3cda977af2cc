#pragma once

#include "espalier/importance/importance.h"
#include "espalier/store/store.h"

#include <vector>

namespace espalier {

/// The importance of the settings of a study's trials.
Importance importance(const std::vector<TrialRecord>& trials, bool maximize);

Json to_json(const Importance& importance);

}  // namespace espalier
