#include "espalier/cli/places.h"
#include "espalier/cli/studies.h"
#include "espalier/report/report.h"
#include "espalier/study/process.h"
#include "espalier/study/training.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

struct Opened {
  StudyPlace place;
  std::unique_ptr<Store> store;
  Objective objective;
};

Opened open_study(const Call& call, const std::string& word) {
  Opened out{.place = find_study(word, studies_folder(call)), .store = {}, .objective = {}};
  out.store = open_store(out.place.folder);
  out.objective = objective_of(*out.store);
  return out;
}

int64_t count(const std::vector<TrialRecord>& trials, TrialState state) {
  return std::count_if(trials.begin(), trials.end(), [&](const TrialRecord& t) { return t.state == state; });
}

int ls(const Call& call) {
  Table table{.headers = {"study", "trials", "complete", "failed", "best", "metric"}};
  Json out = Json::array();
  for (const fs::path& folder : list_studies(studies_folder(call))) {
    const auto store = open_store(folder);
    const Objective objective = objective_of(*store);
    const std::vector<TrialRecord> trials = store->trials();
    const auto best = best_trial(trials, objective);
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
    fmt::print("{}", render(table, terminal_width(stdout)));
  return 0;
}

Json epochs_of(const Store& store, int64_t number, const std::string& part = "") {
  Json out = Json::array();
  for (const EpochRecord& epoch : store.epochs(number, part)) out.push_back({{"epoch", epoch.epoch}, {"metrics", epoch.metrics}});
  return out;
}

/// The training that speaks for a trial's end: the part that failed, or the trial itself.
TrialRecord failed_training(const Store& store, const TrialRecord& trial) {
  for (const TrialRecord& part : store.parts(trial.number))
    if (part.state == TrialState::failed) return part;
  return trial;
}

/// Log of a training's last attempt, below the study's folder.
std::string log_of(const TrialRecord& training) {
  return fmt::format("{}/attempts/{}/log.txt", training_folder(training.number, training.part), training.attempts);
}

/// The last lines of what the trainer of a failed trial said; "" if it said nothing.
std::string log_tail(const Opened& study, const TrialRecord& trial) {
  constexpr int64_t kBytes = 2000;
  constexpr int64_t kLines = 12;
  std::error_code error;
  const fs::path file = study.place.folder / log_of(failed_training(*study.store, trial));
  if (!fs::exists(file, error)) return "";
  const std::string text = tail(file, kBytes);
  size_t begin = text.size();
  for (int64_t line = 0; line <= kLines && begin != std::string::npos && begin > 0; ++line) begin = text.rfind('\n', begin - 1);
  return begin == std::string::npos || begin == 0 ? text : text.substr(begin + 1);
}

Json parts_of(const Store& store, int64_t number) {
  Json out = Json::array();
  for (const TrialRecord& part : store.parts(number)) {
    out.push_back(to_json(part));
    out.back()["part"] = part.part;
    out.back()["curve"] = epochs_of(store, number, part.part);
  }
  return out;
}

void print_parts(const Opened& study, int64_t number) {
  Table table{.headers = {"part", "epochs", study.objective.metric, "seconds", "attempts", "state"}};
  for (const TrialRecord& part : study.store->parts(number))
    table.rows.push_back({part.part, format_number(part.epochs), part.objective ? format_score(*part.objective) : "-",
                          fmt::format("{:.1f}", part.seconds), std::to_string(part.attempts), to_string(part.state)});
  if (!table.rows.empty()) fmt::print("\n{}", render(table, terminal_width(stdout)));
}

int show_trial(const Call& call, const Opened& study, const TrialRecord& trial) {
  if (call.json()) {
    Json out = to_json(trial);
    out["study"] = study.place.folder.string();
    out["curve"] = epochs_of(*study.store, trial.number);
    out["parts"] = parts_of(*study.store, trial.number);
    out["log"] = (study.place.folder / log_of(failed_training(*study.store, trial))).string();
    print_json(out);
    return 0;
  }
  fmt::print("trial {} of {}: {}\n", trial.number, study.place.folder.string(), to_string(trial.state));
  if (!trial.cause.empty()) fmt::print("cause: {}: {}\n", trial.cause, trial.message);
  if (!trial.reason.empty()) fmt::print("proposed because: {}\n", trial.reason);
  Table settings{.headers = {"setting", "value"}};
  for (const auto& [name, value] : trial.settings) settings.rows.push_back({name, format_value(value)});
  if (!settings.rows.empty()) fmt::print("\n{}", render(settings, terminal_width(stdout)));
  Table scores{.headers = {"score", "value"}};
  for (const auto& [name, value] : trial.scores) scores.rows.push_back({name, format_number(value)});
  if (!scores.rows.empty()) fmt::print("\n{}", render(scores, terminal_width(stdout)));
  print_parts(study, trial.number);
  fmt::print("\nepochs: {}  seconds: {:.1f}  attempts: {}\n", format_number(trial.epochs), trial.seconds, trial.attempts);
  std::vector<double> curve;
  for (const EpochRecord& epoch : study.store->epochs(trial.number))
    if (const auto found = epoch.metrics.find(study.objective.metric); found != epoch.metrics.end()) curve.push_back(found->second);
  if (!curve.empty())
    fmt::print("{}: {}  last {:.4f}\n", study.objective.metric, sparkline(curve, 60), curve.back());
  if (trial.state == TrialState::failed)
    if (const std::string log = log_tail(study, trial); !log.empty())
      fmt::print("\n{} ends with:\n{}{}", log_of(failed_training(*study.store, trial)), log, log.ends_with('\n') ? "" : "\n");
  return 0;
}

TrialRecord best_of(const Opened& study) {
  const auto best = best_trial(study.store->trials(), study.objective);
  if (!best) fail("E3003", fmt::format("no trial of '{}' is complete yet", study.place.folder.string()),
                  "espalier resume continues it");
  return *best;
}

int info(const Call& call) {
  const Opened study = open_study(call, call.words.empty() ? "latest" : call.words[0]);
  if (study.place.best) return show_trial(call, study, best_of(study));
  if (study.place.trial) {
    const auto trial = study.store->trial(*study.place.trial);
    if (!trial)
      fail("E3003", fmt::format("'{}' has no trial {}", study.place.folder.string(), *study.place.trial),
           fmt::format("it has {}", study.store->trials().size()));
    return show_trial(call, study, *trial);
  }
  const std::vector<TrialRecord> trials = study.store->trials();
  const Json scores = read_best(study.place.folder, "scores");
  if (call.json()) {
    Json list = Json::array();
    for (const TrialRecord& trial : trials) list.push_back(to_json(trial));
    print_json({{"study", study.place.folder.string()}, {"trials", list}, {"scores", scores},
                {"objective", {{"metric", study.objective.metric}, {"maximize", study.objective.maximize}}}});
    return 0;
  }
  fmt::print("study {}: {} trials, {} complete, {} failed\n\n", study.place.folder.string(), trials.size(),
             count(trials, TrialState::complete), count(trials, TrialState::failed));
  fmt::print("{}", render(leaderboard(trials, study.objective), terminal_width(stdout)));
  if (const Table table = score_table(scores); !table.rows.empty()) fmt::print("\n{}", render(table, terminal_width(stdout)));
  return 0;
}

int best(const Call& call) {
  const Opened study = open_study(call, call.words.empty() ? "latest" : call.words[0]);
  const TrialRecord trial = best_of(study);
  const fs::path model = study.place.folder / "best" / "model.safetensors";
  std::error_code error;
  const bool written = fs::exists(model, error);
  const Json scores = read_best(study.place.folder, "scores");
  if (call.json()) {
    Json out = to_json(trial);
    out["study"] = study.place.folder.string();
    out["model"] = written ? Json(model.string()) : Json();
    out["test_scores"] = scores;
    print_json(out);
    return 0;
  }
  show_trial(call, study, trial);
  if (const Table table = score_table(scores); !table.rows.empty()) fmt::print("\n{}", render(table, terminal_width(stdout)));
  if (written) fmt::print("\nmodel: {}\n", model.string());
  return 0;
}

int report(const Call& call) {
  const StudyPlace place = find_study(call.words.empty() ? "latest" : call.words[0], studies_folder(call));
  const std::string file = write_report(place.folder).string();
  if (call.json())
    print_json({{"study", place.folder.string()}, {"report", file}});
  else
    fmt::print("{}\n", file);
  return 0;
}

}  // namespace

std::vector<Verb> result_verbs() {
  const Flag studies{"studies", "where studies lie (studies)", "FOLDER"};
  return {
      {"ls", "studies, with their best scores", "", "espalier ls", {studies}, ls},
      {"info", "one study or one trial", "[STUDY | STUDY/TRIAL]", "espalier info latest/3", {studies}, info},
      {"best", "the best trial, its scores and where its model lies", "[STUDY]", "espalier best latest", {studies}, best},
      {"report", "writes the study's report.html", "[STUDY]", "espalier report latest", {studies}, report},
  };
}

}  // namespace espalier::cli
