#pragma once

#include "espalier/store/store.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace espalier {

/// Which points no other one dominates: is at no coordinate greater and at one less. Equal points are all on the front or
/// none. A point with a coordinate that is not finite is never on it and dominates nothing. All have as many coordinates.
std::vector<bool> pareto_front(const std::vector<std::vector<double>>& points);

/// Numbers of the trials on the front of those that are complete or wait for more and have all these scores. `maximize`: of
/// each score that counts, whether more is better.
std::set<int64_t> front_of(const std::vector<TrialRecord>& trials, const std::map<std::string, bool>& maximize);

}  // namespace espalier
