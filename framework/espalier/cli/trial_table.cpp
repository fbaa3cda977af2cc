#include "espalier/cli/trial_table.h"

#include "espalier/pipeline/names.h"
#include "espalier/study/parts.h"

#include <fmt/format.h>

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

Table trial_table(const std::vector<TrialRecord>& trials, const Objective& objective) {
  const std::vector<std::string> varying = varying_settings(trials);
  Table table;
  table.headers = {"trial"};
  const std::map<std::string, std::string> shortened = short_names(varying);
  for (const std::string& name : varying) table.headers.push_back(shortened.at(name));
  table.optional_begin = 1, table.optional_end = 1 + varying.size();
  for (const std::string& name : {std::string("epochs"), objective.metric.empty() ? "score" : objective.metric,
                                  std::string("seconds"), std::string("state")})
    table.headers.push_back(name);
  for (const TrialRecord& trial : trials) {
    std::vector<std::string> row = {std::to_string(trial.number)};
    for (const std::string& name : varying) {
      const auto found = trial.settings.find(name);
      row.push_back(found == trial.settings.end() ? "-" : format_value(found->second));
    }
    row.push_back(format_number(trial.epochs));
    const auto spread = trial.scores.find(kSpread);
    row.push_back(!trial.objective ? "-" : format_score(*trial.objective) +
                                               (spread == trial.scores.end() ? "" : " ± " + format_score(spread->second)));
    row.push_back(fmt::format("{:.1f}", trial.seconds));
    row.push_back(to_string(trial.state) + (trial.cause.empty() ? "" : ": " + trial.cause));
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace espalier::cli
