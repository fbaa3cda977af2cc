#include "espalier/cli/compare.h"

#include "espalier/cli/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace espalier::cli {

namespace {

std::string short_value(const Json& value) { return value.is_null() ? "-" : format_value(value); }

}  // namespace

Json comparison(const std::vector<Compared>& trials) {
  Json out = {{"trials", Json::array()}, {"settings", Json::object()}, {"scores", Json::object()}};
  std::set<std::string> settings;
  std::set<std::string> scores;
  for (const Compared& one : trials) {
    out["trials"].push_back({{"name", one.name}, {"study", one.study}, {"number", one.trial.number},
                             {"state", to_string(one.trial.state)}, {"reason", one.trial.reason}});
    for (const auto& [name, value] : one.trial.settings) settings.insert(name);
    for (const auto& [name, value] : one.fixed) settings.insert(name);
    for (const auto& [name, value] : one.trial.scores) scores.insert(name);
  }
  for (const std::string& name : settings) {
    Json values = Json::array();
    for (const Compared& one : trials) values.push_back(setting_of(one.trial, one.fixed, name));
    if (std::ranges::any_of(values, [&](const Json& value) { return value != values.front(); })) out["settings"][name] = std::move(values);
  }
  for (const std::string& name : scores)
    for (const Compared& one : trials) {
      const auto found = one.trial.scores.find(name);
      // Beside it stands what a training took.
      out["scores"][name == "time" ? "time, predicted" : name].push_back(found == one.trial.scores.end() ? Json() : Json(found->second));
    }
  for (const Compared& one : trials) {
    out["scores"]["epochs"].push_back(one.trial.epochs);
    out["scores"]["time"].push_back(one.trial.seconds);
  }
  return out;
}

Table comparison_table(const Json& comparison) {
  Table table{.headers = {"setting"}};
  for (const Json& trial : comparison.at("trials")) table.headers.push_back(trial.at("name").get<std::string>());
  const std::vector<std::string> nothing(table.headers.size(), "");
  const auto add = [&](const Json& rows, const auto& shown) {
    for (const auto& [name, values] : rows.items()) {
      std::vector<std::string> row = {name};
      for (const Json& value : values) row.push_back(shown(name, value));
      table.rows.push_back(std::move(row));
    }
  };
  add(comparison.at("settings"), [](const std::string&, const Json& value) { return short_value(value); });
  if (comparison.at("settings").empty()) table.rows.push_back(nothing), table.rows.back()[0] = "(all settings are equal)";
  table.rows.push_back(nothing);
  table.rows.push_back(nothing);
  table.rows.back()[0] = "score";
  std::vector<std::string> states = {"state"};
  for (const Json& trial : comparison.at("trials")) states.push_back(trial.at("state").get<std::string>());
  table.rows.push_back(std::move(states));
  add(comparison.at("scores"), [](const std::string& name, const Json& value) {
    return value.is_null() ? std::string("-") : format_named(name, value.get<double>());
  });
  return table;
}

namespace {

int compare(const Call& call) {
  if (call.words.size() < 2) fail("E0003", "two trials or more are needed", "espalier compare latest/3 latest/best");
  std::vector<Opened> studies;
  std::vector<Compared> trials;
  std::set<std::string> folders;
  for (const std::string& word : call.words) {
    const Opened study = open_study(call, word);
    const TrialRecord trial = named_trial(study);
    const std::string folder = study.place.folder.string();
    folders.insert(folder);
    trials.push_back({study.place.folder.filename().string() + "/" + std::to_string(trial.number), folder, trial, fixed_settings(*study.store)});
  }
  if (folders.size() == 1)
    for (Compared& one : trials) one.name = std::to_string(one.trial.number);
  const Json document = comparison(trials);
  if (call.json()) {
    print_json(document);
    return 0;
  }
  fmt::print("{}", render(comparison_table(document), table_width(stdout)));
  return 0;
}

}  // namespace

Verb compare_verb() {
  return {"compare", "trials side by side: settings that differ, and scores", "TRIAL TRIAL [...]",
          "espalier compare latest/0 latest/best", {{"studies", "where studies lie (studies)", "FOLDER"}}, compare};
}

}  // namespace espalier::cli
