#pragma once

#include "espalier/data/folds.h"
#include "espalier/data/prepared.h"
#include "espalier/error.h"
#include "espalier/study/study.h"
#include "espalier/tuner.h"
#include "study_folder.h"

#include "../../plugins/schedulers/rungs.h"
#include "../../plugins/tuners/drawing.h"

#include <atomic>
#include <vector>

// Schedulers that pause trials and branch off them, as they are shipped.
#undef ESPALIER_PLUGIN
#define ESPALIER_PLUGIN(plugin) inline void fill(espalier::Plugin& plugin)
namespace asha_library {
#include "../../plugins/schedulers/asha/asha.cpp"
}
namespace pbt_library {
#include "../../plugins/schedulers/pbt/pbt.cpp"
}

// Preparing data, registry and pipeline are other modules, tested on their own. Definitions of a program come before those
// of a shared library, so the study meets these plain ones here. They are not inline, as unused ones would then be left out.
namespace espalier {

struct Registry::State {
  std::vector<Provided> provided;
  TunerType tuner;
  SchedulerType scheduler;
  Plugin asha;
  Plugin pbt;
};
Registry::Registry() : state_(std::make_unique<State>()) {}
Registry::Registry(Registry&&) noexcept = default;
Registry& Registry::operator=(Registry&&) noexcept = default;
Registry::~Registry() = default;
Registry Registry::scan(const std::vector<std::filesystem::path>&) {
  Registry registry;
  registry.state_->provided.push_back({.kind = PluginKind::tuner, .name = "random", .library = "tuner_random.so", .library_sha256 = "ab12"});
  registry.state_->tuner.propose = [](const Json&, const Space& space, const History& history, Random& random,
                                      const Feasible& feasible) -> std::optional<Proposal> {
    const auto settings = tuners::draw_new(space, history, random, feasible);
    return settings ? std::optional<Proposal>({*settings, "drawn"}) : std::nullopt;
  };
  registry.state_->scheduler.next = [](const Json&, double, const History&, Random&) { return Step{}; };
  asha_library::fill(registry.state_->asha);
  pbt_library::fill(registry.state_->pbt);
  return registry;
}
const std::vector<Provided>& Registry::provided() const { return state_->provided; }
const TunerType& Registry::tuner(const std::string&) const { return state_->tuner; }
const SchedulerType& Registry::scheduler(const std::string& name) const {
  if (name == "pbt") return state_->pbt.schedulers.at(0);
  return name == "asha" ? state_->asha.schedulers.at(0) : state_->scheduler;
}
const ReaderType& Registry::reader(const std::string& name) const { fail("E1000", name); }

Preparation prepare_data(const DataRequest&, const FindReader&, const Progress& progress) {
  progress("data", 1.0);
  return {.folder = "cache", .key = "9c41", .splits = "split", .splits_key = "51ab"};
}
Splits read_splits(const std::filesystem::path& file) {
  return {.train = file == "whole" ? std::vector<int64_t>{0, 1} : std::vector<int64_t>{0}, .validation = {}, .test = {10, 11, 12}};
}
Json trial_document(const Pipeline& pipeline, const Settings& settings, const Registry&, const Preparation& data, const std::string& study,
                    int64_t number) {
  const Json& length = pipeline.resolved.at("train").at("epochs");
  const Json epochs = length.is_number() ? Json{{"count", length}} : Json{{"max", 3}, {"patience", 2}};
  return {{"study", study},
          {"number", number},
          {"settings", settings},
          {"data", {{"key", data.key}, {"splits", "split"}}},
          {"train", {{"epochs", epochs}, {"score", pipeline.resolved.at("train").value("score", "best")}}},
          {"seeds", {{"init", std::to_string(number)}}},
          {"network", {{"outputs", {{{"head", "label"}, {"decode", {{"classes", {"a", "b"}}}}}}}}}};
}
std::filesystem::path fold_splits(const DataRequest&, const Preparation&, int64_t fold, int64_t folds) {
  return "fold" + std::to_string(fold) + "of" + std::to_string(folds);
}
std::filesystem::path whole_splits(const Preparation&) { return "whole"; }
double predicted_seconds(const Pipeline&, const Settings&, const Registry&, const Predict&) { return 1.0; }
bool is_feasible(const Pipeline& pipeline, const Settings& settings, const Registry&, const Predict&) {
  return pipeline.search.constraints.empty() || settings.at("x").get<double>() < 4;
}

}  // namespace espalier

namespace espalier::testing {

/// x in 0..7, behaviour ok: 8 configurations.
inline Pipeline pipeline_with(int64_t trials, Json behaviours = {"ok"}) {
  Pipeline pipeline{.name = "test", .text = "graph: {}\n"};
  pipeline.resolved = {{"train", {{"epochs", {{"auto", {{"max", 3}}}}}}},
                       {"search", {{"tuner", {{"random", Json::object()}}}, {"budget", {{"trials", trials}}}}},
                       {"seed", 5}};
  pipeline.space.axes.push_back({.name = "behaviour", .choices = behaviours.get<std::vector<Json>>(), .first = behaviours[0]});
  pipeline.space.axes.push_back({.name = "x", .from = 0, .to = 7, .integer = true, .first = 0});
  pipeline.search.objectives = {{.metric = "val_accuracy", .maximize = true}};
  pipeline.search.budget_trials = trials;
  pipeline.seed = 5;
  pipeline.sketch.has_test = true;
  return pipeline;
}

/// Presses Ctrl-C at given moments and remembers what it was told.
class Watcher : public Observer {
 public:
  std::atomic<int> interrupts = 0;
  int64_t interrupt_at_epoch = -1;  ///< counted over all trials
  std::vector<std::string> notes;
  int64_t epochs = 0;
  int64_t ends = 0;

  void on_epoch(const TrialRecord&, const EpochRecord&) override {
    if (epochs++ == interrupt_at_epoch) interrupts = 1;
  }
  void on_trial_end(const TrialRecord&) override { ++ends; }
  void on_note(const std::string& note) override { notes.push_back(note); }
};

inline StudyResult run(const Pipeline& pipeline, const std::filesystem::path& folder, Watcher& watcher) {
  return run_study(pipeline, Registry::scan({}), {.folder = folder, .trainer = fake_trainer(), .interrupts = &watcher.interrupts}, watcher);
}

/// What must not depend on interruptions.
inline Json outcome(const std::filesystem::path& folder) {
  Json out = Json::array();
  const auto store = open_store(folder);
  for (const TrialRecord& trial : store->trials()) {
    Json epochs = Json::array();
    for (const EpochRecord& epoch : store->epochs(trial.number)) epochs.push_back({epoch.epoch, epoch.metrics});
    Json parts = Json::array();
    for (const TrialRecord& part : store->parts(trial.number))
      parts.push_back({part.part, to_string(part.state), part.scores, part.epochs, store->epochs(trial.number, part.part).size()});
    out.push_back({trial.number, trial.settings, trial.reason, to_string(trial.state), trial.scores, trial.objective.value_or(-1), epochs, parts});
  }
  return out;
}

}  // namespace espalier::testing
