#include "espalier/cli/studies.h"

#include "espalier/cli/trial_table.h"
#include "espalier/network/metrics.h"
#include "espalier/pipeline/names.h"
#include "espalier/pipeline/objective.h"
#include "espalier/random.h"
#include "espalier/store/best.h"
#include "espalier/store/front.h"
#include "espalier/study/files.h"
#include "espalier/study/parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <set>

namespace espalier::cli {

namespace fs = std::filesystem;

std::string study_name(const Pipeline& pipeline) {
  const uint64_t hash = derive_seed(0, identity(pipeline.resolved).dump(-1, ' ', false, Json::error_handler_t::replace));
  return fmt::format("{}-{:08x}", pipeline.name, static_cast<uint32_t>(hash >> 32));
}

fs::path study_folder(const Pipeline& pipeline, const fs::path& studies) {
  return studies / study_name(pipeline);
}

std::vector<TrialRecord> trials_if_any(const fs::path& folder) {
  return has_study(folder) ? open_store(folder)->trials() : std::vector<TrialRecord>{};
}

void keep_request(const fs::path& folder, const PipelineRequest& request) {
  std::error_code error;
  fs::create_directories(folder, error);
  require(!error, "E3001", fmt::format("'{}' cannot be made: {}", folder.string(), error.message()));
  const Json document = {{"file", fs::absolute(request.file).string()}, {"overrides", request.overrides},
                         {"variants", request.variants}};
  write_file(folder / "request.json", document.dump(2) + "\n");
}

PipelineRequest kept_request(const fs::path& folder, const std::vector<std::string>& more) {
  std::ifstream in(folder / "request.json");
  const Json document = Json::parse(in, nullptr, false);
  if (!document.is_object() || !document.contains("file"))
    fail("E3002", fmt::format("'{}' does not say how it was asked for", folder.string()),
         "run it again by its pipeline: espalier run PIPELINE continues a study that exists");
  std::error_code error;
  const fs::path file = document["file"].get<std::string>();
  PipelineRequest request{.file = fs::exists(file, error) ? file : folder / "pipeline.yaml",
                          .overrides = document.value("overrides", std::vector<std::string>{}),
                          .variants = document.value("variants", std::vector<std::string>{}),
                          .dataset_paths = dataset_paths(),
                          .cache = cache_folder()};
  // The same path twice is an error of the command line: a later word replaces the kept one.
  for (const std::string& word : more) {
    const std::string path = word.substr(0, word.find('='));
    std::erase_if(request.overrides, [&](const std::string& kept) { return kept.substr(0, kept.find('=')) == path; });
    request.overrides.push_back(word);
  }
  return request;
}

std::vector<Objective> objectives_of(const Store& store) {
  if (const auto kept = store.info("objective"); kept && kept->is_object()) return objectives_from_json(*kept);
  Objective objective;
  if (store.trials().empty()) return {objective};
  const Json document = store.document(store.trials().front().number);
  const Json said = document.value("objective", Json::object());
  for (const char* key : {"maximize", "minimize"})
    if (said.contains(key) && said[key].is_string()) objective = {said[key].get<std::string>(), std::string(key) == "maximize"};
  return {objective};
}

std::set<int64_t> front_of(const std::vector<TrialRecord>& trials, const std::vector<Objective>& objectives) {
  std::map<std::string, bool> maximize;
  for (const Objective& objective : objectives) maximize[objective.metric] = objective.maximize;
  return espalier::front_of(trials, maximize);
}

std::string front_in_words(const std::vector<TrialRecord>& trials, const std::vector<Objective>& objectives) {
  std::vector<std::string> names;
  for (const Objective& objective : objectives) names.push_back(objective.metric);
  return fmt::format("{} of {} trials are on the Pareto front of {}", front_of(trials, objectives).size(), trials.size(), join(names));
}

Table leaderboard(const std::vector<TrialRecord>& trials, const std::vector<Objective>& objectives) {
  std::vector<TrialRecord> sorted = trials;
  sort_best_first(sorted, objectives.front().maximize);
  return trial_table(sorted, objectives, front_of(trials, objectives));
}

Json to_json(const TrialRecord& trial) {
  return {{"number", trial.number}, {"settings", trial.settings}, {"reason", trial.reason},
          {"state", to_string(trial.state)}, {"cause", trial.cause}, {"message", trial.message},
          {"scores", trial.scores}, {"objective", trial.objective ? Json(*trial.objective) : Json()},
          {"epochs", trial.epochs}, {"seconds", trial.seconds}, {"checkpoint", trial.checkpoint},
          {"started", trial.started}, {"ended", trial.ended}, {"attempts", trial.attempts}};
}

Json read_best(const fs::path& folder, const std::string& name) {
  std::ifstream in(folder / "best" / (name + ".json"));
  const Json document = in ? Json::parse(in, nullptr, false) : Json();
  return document.is_discarded() ? Json() : document;
}

namespace {

/// "age.mse" of "age.val_mse": a score without its split.
std::string without_split(const std::string& score) {
  const size_t dot = score.find('.');
  return (dot == std::string::npos ? "" : score.substr(0, dot + 1)) + bare_metric(score);
}

/// Scores by name without their split; those of one head alone stand below its name.
void collect(const Json& scores, const std::string& head, std::map<std::string, double>& out) {
  for (const auto& [name, value] : scores.items()) {
    if (value.is_number()) out[head + without_split(name)] = value.get<double>();
    if (value.is_object() && head.empty()) collect(value, name + ".", out);
  }
}

}  // namespace

Table score_table(const Json& scores) {
  Table table{.headers = {"metric"}};
  std::vector<std::map<std::string, double>> columns;
  std::set<std::string> names;
  for (const char* kind : {"search", "test", "ensemble", "baseline"})
    if (scores.is_object() && scores.contains(kind) && scores[kind].is_object()) {
      table.headers.emplace_back(kind);
      collect(scores[kind], "", columns.emplace_back());
      for (const auto& [name, value] : columns.back()) names.insert(name);
    }
  for (const std::string& name : names) {
    const auto present = std::ranges::count_if(columns, [&](const auto& column) { return column.contains(name); });
    // A measure of one column only (seconds, parameters) is no score to compare.
    if (present < 2 && columns.size() > 1 && find_metric(bare_metric(name)) == nullptr) continue;
    std::vector<std::string> row = {name};
    for (const auto& column : columns) row.push_back(column.contains(name) ? format_score(column.at(name)) : "-");
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace espalier::cli
