#pragma once

#include "espalier/importance/importance.h"
#include "espalier/store/store.h"

#include <string>
#include <vector>

namespace espalier {

/// The importance of the settings of a study's trials for `metric`; curves are read only where a scheduler stopped trials.
Importance importance(const Store& store, const std::vector<TrialRecord>& trials, const std::string& metric, bool maximize);

Json to_json(const Importance& importance);

}  // namespace espalier
