#pragma once

#include "espalier/cli/fields.h"

#include <map>
#include <string>
#include <vector>

namespace espalier::cli {

/// A trial beside what its pipeline fixes.
struct Compared {
  std::string name;                      ///< "3", or "STUDY/3" where there are several studies
  std::string study;                     ///< its folder
  TrialRecord trial;
  std::map<std::string, Json> fixed;
};

/// {"trials": [{"name", "study", "number", "state", "reason"}], "settings": {NAME: [...]}, "scores": {NAME: [...]}}: the
/// settings that differ, all scores; null where a trial does not have one.
Json comparison(const std::vector<Compared>& trials);
/// The same as a person reads it.
Table comparison_table(const Json& comparison);

}  // namespace espalier::cli
