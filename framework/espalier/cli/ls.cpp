#include "espalier/cli/results.h"
#include "espalier/cli/select.h"
#include "espalier/cli/trial_table.h"
#include "espalier/pipeline/objective.h"
#include "espalier/store/best.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

constexpr size_t kScreenful = 50;   // rows on a terminal unless --limit says otherwise; a pipe gets all

int64_t count(const std::vector<TrialRecord>& trials, TrialState state) {
  return std::ranges::count_if(trials, [&](const TrialRecord& trial) { return trial.state == state; });
}

int list_studies_found(const Call& call) {
  Table table{.headers = {"study", "trials", "complete", "failed", "best", "metric"}};
  Json out = Json::array();
  for (const fs::path& folder : list_studies(studies_folder(call))) {
    const auto store = open_store(folder);
    const Objective objective = objectives_of(*store).front();
    const std::vector<TrialRecord> trials = store->trials();
    const auto best = best_trial(trials, objective.maximize);
    const int64_t complete = count(trials, TrialState::complete);
    const int64_t failed = count(trials, TrialState::failed);
    out.push_back({{"study", folder.string()}, {"trials", trials.size()}, {"complete", complete}, {"failed", failed},
                   {"metric", objective.metric}, {"best", best && best->objective ? Json(*best->objective) : Json()}});
    table.rows.push_back({folder.filename().string(), std::to_string(trials.size()), std::to_string(complete),
                          std::to_string(failed), best && best->objective ? fmt::format("{:.4f}", *best->objective) : "-",
                          objective.metric});
  }
  if (call.json())
    print_json({{"studies", out}});
  else if (out.empty())
    fmt::print(stderr, "no study lies in '{}' yet: espalier run PIPELINE makes one\n", studies_folder(call).string());
  else
    fmt::print("{}", render(table, table_width(stdout)));
  return 0;
}

/// Rows to show; 0: all.
size_t limit_of(const Call& call) {
  if (!call.has("limit")) return call.json() || !is_terminal(stdout) ? 0 : kScreenful;
  const std::string text = call.value("limit");
  size_t limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (error != std::errc() || end != text.data() + text.size() || limit == 0)
    fail("E0002", fmt::format("--limit takes a count such as 20, not '{}'", text));
  return limit;
}

/// What was asked for and is no column of the table yet, put before the number of epochs.
void add_columns(Table& table, const std::vector<Field>& asked, const Fields& fields, const std::vector<TrialRecord>& shown,
                 const std::string& metric) {
  for (const Field& field : asked) {
    const bool there = std::ranges::find(table.headers, field.name) != table.headers.end() || field.name == metric ||
                       field.name == "objective" || field.name == "cause" || field.name == "number" || field.name == "time" ||
                       (field.kind == Field::Kind::setting && !shown.empty() && shown.front().settings.contains(field.paths.front()));
    if (there) continue;
    const auto at = static_cast<std::ptrdiff_t>(table.optional_end);
    table.headers.insert(table.headers.begin() + at, field.name);
    for (size_t i = 0; i < shown.size(); ++i) {
      const Json value = fields.value(shown[i], field);
      table.rows[i].insert(table.rows[i].begin() + at, value.is_null() ? "-" : format_value(value));
    }
  }
}

int list_trials(const Call& call) {
  const Opened study = open_study(call, call.words.empty() ? "latest" : call.words[0]);
  const std::vector<TrialRecord> trials = study.store->trials();
  const Fields fields(*study.store, trials, study.objective());
  const Selection selection{.where = call.value("where"), .sort = call.value("sort")};
  Selected selected = select(selection, fields, trials, study.objective());
  const std::set<int64_t> front = front_of(trials, study.objectives);
  if (call.has("pareto")) std::erase_if(selected.trials, [&](size_t i) { return !front.contains(trials[i].number); });
  const size_t limit = limit_of(call);
  const size_t rows = limit == 0 ? selected.trials.size() : std::min(limit, selected.trials.size());
  std::vector<TrialRecord> shown;
  for (size_t i = 0; i < rows; ++i) shown.push_back(trials[selected.trials[i]]);
  if (call.json()) {
    Json list = Json::array();
    for (const TrialRecord& trial : shown) list.push_back(to_json(trial));
    print_json({{"study", study.place.folder.string()}, {"where", selection.where}, {"total", trials.size()},
                {"matched", selected.trials.size()}, {"trials", std::move(list)},
                {"objective", objectives_to_json(study.objectives)}, {"front", front}});
    return 0;
  }
  Table table = trial_table(shown, study.objectives, front);
  add_columns(table, selected.asked, fields, shown, study.objective().metric);
  if (!shown.empty()) fmt::print("{}", render(table, table_width(stdout)));
  const std::string studied = study.place.folder.filename().string();
  if (rows < selected.trials.size())
    fmt::print(stderr, "({} more: --limit {} shows all)\n", selected.trials.size() - rows, selected.trials.size());
  if (selected.trials.empty()) {
    const std::string why = selection.where.empty() ? "" : why_nothing(selection.where, fields, trials);
    fmt::print(stderr, "none of the {} trials of {} fits{}\n", trials.size(), studied, why.empty() ? "" : ": " + why);
  } else if (call.words.empty()) {
    fmt::print(stderr, "({} of the {} trials of {})\n", selected.trials.size(), trials.size(), studied);
  }
  return 0;
}

int ls(const Call& call) {
  const bool of_trials = !call.words.empty() || call.has("where") || call.has("sort") || call.has("limit") || call.has("pareto");
  return of_trials ? list_trials(call) : list_studies_found(call);
}

}  // namespace

Verb ls_verb() {
  return {"ls", "studies, with their best scores; of a study its trials, those that fit", "[STUDY]",
          "espalier ls latest -w 'val_accuracy > 0.9 and trunk.block == resnet' --sort -seconds",
          {{"where", "trials for which this is true: settings, metrics, measures, state", "EXPRESSION", 'w'},
           {"sort", "by this name, -NAME: the greatest first (best first)", "NAME"},
           {"pareto", "only those on the Pareto front of the objectives"},
           {"limit", "at most so many (50 on a terminal, else all)", "N"},
           {"studies", "where studies lie (studies)", "FOLDER"}},
          ls};
}

}  // namespace espalier::cli
