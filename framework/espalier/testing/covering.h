#pragma once

#include "espalier/params.h"

#include <vector>

namespace espalier {

/// Values worth trying of a setting, its default first: choices, both ends and the middle of a range, each option.
std::vector<Json> interesting_values(const SettingType& setting);

/// Settings in which every pair of interesting values of every two settings occurs; the defaults come first.
std::vector<Json> pairwise_covering(const Declaration& declaration);

/// Every setting at its default; settings without one are absent.
Json default_settings(const Declaration& declaration);

}  // namespace espalier
