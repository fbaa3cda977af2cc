#pragma once

#include "espalier/cli/results.h"

namespace espalier::cli {

/// All that is known of a trial: settings and where they came from, scores, curve, decisions, attempts, cause of failure and
/// the end of its log. With --json one document.
void show_trial(const Call& call, const Opened& study, const TrialRecord& trial);

/// What a pipeline searches, by path: "2, 3", "0 to 0.3", "0.0001 to 0.1, log". `resolved` is a resolved pipeline.
std::map<std::string, std::string> searched_values(const Json& resolved);
/// Seconds between two times such as 2026-11-25T22:41:23Z; negative if either is missing.
double seconds_between(const std::string& started, const std::string& ended);

}  // namespace espalier::cli
