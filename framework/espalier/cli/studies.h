#pragma once

#include "espalier/cli/places.h"
#include "espalier/cli/terminal.h"
#include "espalier/store/store.h"
#include "espalier/study/study.h"

#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace espalier::cli {

/// Name and hash of what a study computes: <name>-<8 hexadecimal digits>. `run`, the budget and notes leave it as it is.
std::string study_name(const Pipeline& pipeline);
/// Where the study of this pipeline lies or will lie.
std::filesystem::path study_folder(const Pipeline& pipeline, const std::filesystem::path& studies);
/// Trials of a study; none if it does not exist.
std::vector<TrialRecord> trials_if_any(const std::filesystem::path& folder);

/// Keeps how a study was asked for, so that `resume` needs nothing but its folder.
void keep_request(const std::filesystem::path& folder, const PipelineRequest& request);
/// The kept request with `more` overrides; the copy of the pipeline in the folder stands in for a file that is gone.
PipelineRequest kept_request(const std::filesystem::path& folder, const std::vector<std::string>& more);

/// What trials are scored by, never empty: as the study keeps it, else as its first trial's document says.
std::vector<Objective> objectives_of(const Store& store);
/// Numbers of the trials on the Pareto front.
std::set<int64_t> front_of(const std::vector<TrialRecord>& trials, const std::vector<Objective>& objectives);
/// "3 of 24 trials are on the Pareto front of val_accuracy, parameters".
std::string front_in_words(const std::vector<TrialRecord>& trials, const std::vector<Objective>& objectives);

/// Trials from best to worst, then those without a score; settings that vary get columns of their own.
Table leaderboard(const std::vector<TrialRecord>& trials, const std::vector<Objective>& objectives);
Json to_json(const TrialRecord& trial);

/// best/NAME.json of a study, or null.
Json read_best(const std::filesystem::path& folder, const std::string& name);
/// Search, test and baseline scores side by side, a row each metric.
Table score_table(const Json& scores);

}  // namespace espalier::cli
