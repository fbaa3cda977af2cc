#include "espalier/cli/importance.h"

#include "espalier/cli/results.h"
#include "espalier/importance/from_store.h"
#include "espalier/pipeline/names.h"
#include "espalier/pipeline/objective.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace espalier::cli {

namespace {

constexpr int kBar = 20;

std::string bar(double share) {
  std::string out;
  for (int64_t k = std::llround(share * kBar); k > 0; --k) out += speaks_utf8() ? "█" : "#";
  return out;
}

/// "resnet", "0.01 to 0.1".
std::string favoured(const AxisImportance& axis) {
  std::vector<std::string> words;
  for (const Json& end : axis.favoured) words.push_back(format_value(end));
  return words.empty() ? "-" : join(words, " to ");
}

std::string chance(const AxisImportance& axis) {
  return axis.by_chance < 0.001 + 1e-9 ? "0.1 %" : fmt::format("{:.{}f} %", 100.0 * axis.by_chance, axis.by_chance < 0.1 ? 1 : 0);
}

}  // namespace

std::string importance_text(const Importance& found, const std::string& metric, int width, bool bars) {
  if (found.trials == 0) return "no trial has a score yet\n";
  Table table{.headers = {"setting", "share", "by chance", "best trials have", "trials"}};
  if (bars) table.headers.insert(table.headers.begin() + 2, "");
  std::vector<std::string> names;
  for (const AxisImportance& axis : found.axes) names.push_back(axis.name);
  const std::map<std::string, std::string> shortened = short_names(names);
  bool some_unjudged = false;
  for (const AxisImportance& axis : found.axes) {
    some_unjudged = some_unjudged || !axis.judged;
    std::vector<std::string> row = {shortened.at(axis.name), axis.judged ? fmt::format("{:.0f} %", 100.0 * axis.share) : "-",
                                    axis.judged ? chance(axis) : "-", axis.judged ? favoured(axis) : "-", std::to_string(axis.trials)};
    if (bars) row.insert(row.begin() + 2, bar(axis.share));
    table.rows.push_back(std::move(row));
  }
  std::string out =
      fmt::format("what decides whether {} is among the best {} of {} trials\n\n", metric, found.best, found.trials) + render(table, width);
  out += "\nshare: of what each setting explains alone, chance taken off; by chance: how often lots would explain as much\n";
  if (some_unjudged) out += "-: too few trials with it, or one value only\n";
  for (const std::string& warning : found.warnings) out += "warning: " + warning + "\n";
  return out;
}

namespace {

int show_importance(const Call& call) {
  const Opened study = open_study(call, call.words.empty() ? "latest" : call.words[0]);
  const Importance found = importance(study.store->trials(), study.objective().maximize);
  if (call.json()) {
    Json out = to_json(found);
    out["study"] = study.place.folder.string();
    out["objective"] = objectives_to_json(study.objectives);
    print_json(out);
    return 0;
  }
  const std::string judged = study.objective().metric + (study.objectives.size() > 1 ? ", the first objective," : "");
  fmt::print("{}", importance_text(found, judged, table_width(stdout), is_terminal(stdout)));
  return 0;
}

}  // namespace

Verb importance_verb() {
  return {"importance", "which settings decided whether a trial was among the best", "[STUDY]", "espalier importance latest",
          {{"studies", "where studies lie (studies)", "FOLDER"}}, show_importance};
}

}  // namespace espalier::cli
