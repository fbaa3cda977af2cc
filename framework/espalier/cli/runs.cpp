#include "espalier/cli/places.h"
#include "espalier/cli/signals.h"
#include "espalier/cli/studies.h"
#include "espalier/cli/watch.h"
#include "espalier/pipeline/objective.h"
#include "espalier/report/report.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

void say_how_to_go_on(const fs::path& folder) {
  fmt::print(stderr, "interrupted; everything finished is kept. Go on with: espalier resume {}\n", folder.string());
}

/// From the first trial on an interrupt is a wish that the study fulfils in order; while data are prepared it ends the program.
class WatchOfRun : public Watch {
 public:
  explicit WatchOfRun(const Pipeline& pipeline) : Watch(pipeline) {
    exit_on_signals("interrupted while the data were prepared; the same command goes on");
  }
  void on_data(const Preparation& preparation) override {
    listen_for_signals();
    Watch::on_data(preparation);
  }
};

/// What a study holds already, of which failed trials are said: they count, and are not tried again.
void say_what_is_there(const fs::path& folder) {
  const std::vector<TrialRecord> trials = trials_if_any(folder);
  if (trials.empty()) {
    fmt::print(stderr, "study: {}\n", folder.string());
    return;
  }
  fmt::print(stderr, "study: {} exists with {} trials: goes on\n", folder.string(), trials.size());
  if (const auto failed = std::ranges::count(trials, TrialState::failed, &TrialRecord::state))
    fmt::print(stderr, "note: {} of them failed; they count as tried, and 'espalier info {}' says why\n", failed, folder.string());
}

/// A search without a single complete trial: why, and where more is told.
void say_what_failed(const fs::path& folder, const StudyResult& result) {
  const std::vector<TrialRecord> trials = trials_if_any(folder);
  if (result.failed == 0) {
    fmt::print(stderr, "{}\n", trials.empty() ? "no trial was begun: no configuration that was proposed keeps search.constraints and search.limits"
                                             : "no trial is complete: the budget ended before the first one did");
    return;
  }
  for (const TrialRecord& trial : trials) {
    if (trial.state != TrialState::failed) continue;
    fmt::print(stderr, "no trial is complete, {} failed; the first by {}: {}\n  its log: espalier info {}/{}\n", result.failed, trial.cause,
               trial.message, folder.string(), trial.number);
    return;
  }
}

Json outcome(const Pipeline& pipeline, const fs::path& folder, const StudyResult& result, const std::string& report) {
  const std::vector<TrialRecord> recorded = trials_if_any(folder);
  Json trials = Json::array();
  for (const TrialRecord& trial : recorded) trials.push_back(to_json(trial));
  return {{"study", folder.string()},
          {"pipeline", pipeline.name},
          {"end", result.end == StudyEnd::finished ? "finished" : "interrupted"},
          {"objective", objectives_to_json(pipeline.search.objectives)},
          {"best", result.best ? to_json(*result.best) : Json()},
          {"complete", result.complete},
          {"failed", result.failed},
          {"front", front_of(recorded, pipeline.search.objectives)},
          {"scores", result.scores},
          {"trials", trials},
          {"model", (folder / "best" / "model.safetensors").string()},
          {"report", report}};
}

void print_outcome(const Pipeline& pipeline, const fs::path& folder, const StudyResult& result, const std::string& report) {
  const int width = terminal_width(stdout);
  const std::vector<Objective>& objectives = pipeline.search.objectives;
  const std::vector<TrialRecord> trials = trials_if_any(folder);
  fmt::print("{}", render(leaderboard(trials, objectives), width));
  if (objectives.size() > 1) fmt::print("\n{}: espalier ls {} --pareto\n", front_in_words(trials, objectives), folder.string());
  if (const Table scores = score_table(result.scores); !scores.rows.empty()) fmt::print("\n{}", render(scores, width));
  std::error_code error;
  if (const fs::path model = folder / "best" / "model.safetensors"; fs::exists(model, error))
    fmt::print("\nbest model: trial {}, {}\n", result.best ? std::to_string(result.best->number) : "?", model.string());
  if (!report.empty()) fmt::print("report: {}\n", report);
}

/// Runs or continues the study in `folder`, then prints what came of it.
int carry_out(const Call& call, const Pipeline& pipeline, const Registry& registry, const PipelineRequest& request,
              const fs::path& folder) {
  for (const std::string& note : pipeline.notes) fmt::print(stderr, "note: {}\n", note);
  say_what_is_there(folder);
  const StudyOptions options{.folder = folder, .trainer = trainer(), .interrupts = &interrupts()};
  keep_request(folder, request);
  StudyResult result;
  {
    WatchOfRun watch(pipeline);
    result = run_study(pipeline, registry, options, watch);
  }
  std::string report;
  if (!trials_if_any(folder).empty()) {
    try {
      report = write_report(folder).string();
    } catch (const Error& error) {
      // The study is done whatever becomes of its picture.
      fmt::print(stderr, "{}", espalier::render(error.problems().front(), wants_colour(stderr)));
    }
  }
  if (call.json())
    print_json(outcome(pipeline, folder, result, report));
  else
    print_outcome(pipeline, folder, result, report);
  if (result.end == StudyEnd::finished && !result.best) say_what_failed(folder, result);
  if (result.end == StudyEnd::interrupted) {
    say_how_to_go_on(folder);
    return interrupted_exit_code();
  }
  return result.failed > 0 || !result.best ? 1 : 0;
}

int run(const Call& call) {
  const PipelineRequest request = pipeline_request(call);
  const Registry registry = scan_registry(call);
  const Pipeline pipeline = load_pipeline(request, registry);
  return carry_out(call, pipeline, registry, request, study_folder(pipeline, studies_folder(call, pipeline)));
}

int resume(const Call& call) {
  const StudyPlace place = find_study(call.words.empty() ? "latest" : call.words[0], studies_folder(call));
  std::vector<std::string> more;
  for (size_t i = 1; i < call.words.size(); ++i) more.push_back(call.words[i]);
  PipelineRequest request = kept_request(place.folder, more);
  const Registry registry = scan_registry(call);
  Pipeline pipeline = load_pipeline(request, registry);
  const fs::path copy = place.folder / "pipeline.yaml";
  std::error_code error;
  if (study_name(pipeline) != place.folder.filename().string() && request.file != copy && fs::exists(copy, error)) {
    fmt::print(stderr, "note: {} has changed since; the study's own copy is used\n", request.file.string());
    const std::string name = pipeline.name;
    PipelineRequest own = request;
    own.file = copy;
    pipeline = load_pipeline(own, registry);
    pipeline.name = name;
  }
  return carry_out(call, pipeline, registry, request, place.folder);
}

}  // namespace

std::vector<Verb> run_verbs() {
  const Flag studies{"studies", "where studies lie (studies)", "FOLDER"};
  return {
      {"run", "searches, trains, evaluates and reports; continues a study that exists", "PIPELINE [PATH=VALUE | ~PATH ...]",
       "espalier run fashion_mnist_quick search.budget.time=2m", {studies}, run},
      {"resume", "continues an interrupted study, or prolongs one", "[STUDY] [PATH=VALUE ...]",
       "espalier resume latest search.budget.trials=20", {studies}, resume},
  };
}

}  // namespace espalier::cli
