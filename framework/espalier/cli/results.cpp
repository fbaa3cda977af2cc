#include "espalier/cli/results.h"

#include "espalier/cli/trial.h"
#include "espalier/pipeline/objective.h"
#include "espalier/report/report.h"
#include "espalier/store/best.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include <unistd.h>

namespace espalier::cli {

namespace fs = std::filesystem;

Opened open_study(const Call& call, const std::string& word) {
  Opened out{.place = find_study(word, studies_folder(call)), .store = {}, .objectives = {}};
  out.store = open_store(out.place.folder);
  out.objectives = objectives_of(*out.store);
  return out;
}

TrialRecord best_of(const Opened& study) {
  const auto best = best_trial(study.store->trials(), study.objective().maximize);
  if (!best) fail("E3003", fmt::format("no trial of '{}' is complete yet", study.place.folder.string()),
                  "espalier resume continues it");
  return *best;
}

TrialRecord named_trial(const Opened& study) {
  if (!study.place.trial) return best_of(study);
  const auto trial = study.store->trial(*study.place.trial);
  if (!trial)
    fail("E3003", fmt::format("'{}' has no trial {}", study.place.folder.string(), *study.place.trial),
         fmt::format("it has {}", study.store->trials().size()));
  return *trial;
}

int table_width(std::FILE* stream) {
  return isatty(fileno(stream)) == 0 ? std::numeric_limits<int>::max() : terminal_width(stream);
}

namespace {

int64_t count(const std::vector<TrialRecord>& trials, TrialState state) {
  return std::count_if(trials.begin(), trials.end(), [&](const TrialRecord& t) { return t.state == state; });
}

int info(const Call& call) {
  const Opened study = open_study(call, call.words.empty() ? "latest" : call.words[0]);
  if (study.place.best || study.place.trial) {
    show_trial(call, study, named_trial(study));
    return 0;
  }
  const std::vector<TrialRecord> trials = study.store->trials();
  const Json scores = read_best(study.place.folder, "scores");
  if (call.json()) {
    Json list = Json::array();
    for (const TrialRecord& trial : trials) list.push_back(to_json(trial));
    print_json({{"study", study.place.folder.string()}, {"trials", list}, {"scores", scores},
                {"objective", objectives_to_json(study.objectives)}, {"front", front_of(trials, study.objectives)}});
    return 0;
  }
  fmt::print("study {}: {} trials, {} complete, {} failed\n\n", study.place.folder.string(), trials.size(),
             count(trials, TrialState::complete), count(trials, TrialState::failed));
  fmt::print("{}", render(leaderboard(trials, study.objectives), terminal_width(stdout)));
  if (study.objectives.size() > 1) fmt::print("\n{}\n", front_in_words(trials, study.objectives));
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
      ls_verb(),
      {"info", "one study or one trial", "[STUDY | STUDY/TRIAL]", "espalier info latest/3", {studies}, info},
      compare_verb(),
      importance_verb(),
      {"best", "the best trial, its scores and where its model lies", "[STUDY]", "espalier best latest", {studies}, best},
      {"report", "writes the study's report.html", "[STUDY]", "espalier report latest", {studies}, report},
  };
}

}  // namespace espalier::cli
