#include "espalier/cli/trial_table.h"

#include "espalier/pipeline/names.h"
#include "espalier/study/parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace espalier::cli {

namespace {

/// Settings that not all trials have with one value, by name.
std::vector<std::string> varying_settings(const std::vector<TrialRecord>& trials) {
  struct Seen {
    const Json* first = nullptr;
    size_t count = 0;
    bool differs = false;
  };
  std::map<std::string, Seen> seen;
  for (const TrialRecord& trial : trials)
    for (const auto& [name, value] : trial.settings) {
      Seen& one = seen[name];
      if (one.first == nullptr) one.first = &value;
      one.differs = one.differs || *one.first != value;
      ++one.count;
    }
  std::vector<std::string> varying;
  for (const auto& [name, one] : seen)
    if (one.differs || one.count < trials.size()) varying.push_back(name);
  return varying;
}

}  // namespace

std::string score_in_short(const TrialRecord& trial) {
  if (!trial.objective) return "-";
  const auto spread = trial.scores.find(kSpread);
  return format_score(*trial.objective) + (spread == trial.scores.end() ? "" : " ± " + format_score(spread->second));
}

std::string interval_in_short(const TrialRecord& trial) {
  const auto half = trial.scores.find(kInterval);
  if (half == trial.scores.end() || !trial.objective) return "";
  return fmt::format("{} to {}", format_score(*trial.objective - half->second), format_score(*trial.objective + half->second));
}

Table trial_table(const std::vector<TrialRecord>& trials, const std::vector<Objective>& objectives, const std::set<int64_t>& front) {
  const std::vector<std::string> varying = varying_settings(trials);
  const bool has_front = objectives.size() > 1;
  const bool has_intervals = std::ranges::any_of(trials, [](const TrialRecord& trial) { return !interval_in_short(trial).empty(); });
  Table table;
  table.headers = {"trial"};
  const std::map<std::string, std::string> shortened = short_names(varying);
  for (const std::string& name : varying) table.headers.push_back(shortened.at(name));
  table.optional_begin = 1, table.optional_end = 1 + varying.size();
  table.headers.emplace_back("epochs");
  for (size_t i = 0; i < objectives.size(); ++i) {
    table.headers.push_back(objectives[i].metric.empty() ? "score" : objectives[i].metric);
    if (i == 0 && has_intervals) table.headers.emplace_back("95 % interval");
  }
  if (has_front) table.headers.emplace_back("front");
  table.headers.insert(table.headers.end(), {"seconds", "state"});
  for (const TrialRecord& trial : trials) {
    std::vector<std::string> row = {std::to_string(trial.number)};
    for (const std::string& name : varying) {
      const auto found = trial.settings.find(name);
      row.push_back(found == trial.settings.end() ? "-" : format_value(found->second));
    }
    row.push_back(format_number(trial.epochs));
    row.push_back(score_in_short(trial));
    if (has_intervals) row.push_back(interval_in_short(trial));
    for (size_t i = 1; i < objectives.size(); ++i) {
      const auto score = trial.scores.find(objectives[i].metric);
      row.push_back(score == trial.scores.end() ? "-" : format_named(objectives[i].metric, score->second));
    }
    if (has_front) row.emplace_back(front.contains(trial.number) ? "*" : "");
    row.push_back(fmt::format("{:.1f}", trial.seconds));
    row.push_back(to_string(trial.state) + (trial.cause.empty() ? "" : ": " + trial.cause));
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace espalier::cli
