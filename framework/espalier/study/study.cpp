#include "espalier/study/study.h"

#include "espalier/error.h"
#include "espalier/study/clock.h"
#include "espalier/study/decide.h"
#include "espalier/study/files.h"
#include "espalier/study/parts.h"
#include "espalier/study/training.h"
#include "espalier/study/winner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace espalier {

namespace {

/// The first path at which two documents differ.
std::string first_difference(const Json& before, const Json& now) {
  const Json patch = Json::diff(before, now);
  std::string path = patch.empty() ? "" : patch[0]["path"].get<std::string>().substr(1);
  std::ranges::replace(path, '/', '.');
  return path;
}

/// One process's work on one study.
class Run {
 public:
  Run(const Pipeline& pipeline, const Registry& registry, const StudyOptions& options, Observer& observer)
      : pipeline_(pipeline), registry_(registry), options_(options), observer_(observer), lock_(prepare_folder(options.folder)),
        store_(open_sqlite(options.folder / "study.db")) {}

  StudyResult run() {
    check_identity();
    data_ = prepare_data(pipeline_.data, readers_of(registry_),
                         [this](const std::string& what, double fraction) { observer_.on_progress(what, fraction); });
    observer_.on_data(data_);
    write_documents();
    spent_before_ = store_->info("spent_seconds").value_or(0.0).get<double>();
    begun_ = Clock::now();
    observer_.on_history(store_->trials(), spent_before_);
    const StudyEnd end = search();
    save_spent();
    return conclude(end);
  }

 private:
  static const std::filesystem::path& prepare_folder(const std::filesystem::path& folder) {
    std::error_code error;
    std::filesystem::create_directories(folder / "trials", error);
    if (error) fail("E3021", fmt::format("cannot create '{}': {}", folder.string(), error.message()));
    return folder;
  }

  void check_identity() {
    const Json now = identity(pipeline_.resolved);
    const auto before = store_->info("identity");
    if (before && *before != now)
      fail("E3022", fmt::format("'{}' holds another study: '{}' differs", options_.folder.string(), first_difference(*before, now)),
           "give another folder, or the pipeline that it was begun with");
    if (!before) store_->set_info("identity", now);
  }

  void write_documents() {
    const Json lock = lock_document(pipeline_, registry_, data_);
    const auto before = store_->info("lock");
    if (before && *before != lock)
      observer_.on_note(fmt::format("since the study began, '{}' has changed", first_difference(*before, lock)));
    if (!before) store_->set_info("lock", lock);
    const Objective& objective = pipeline_.search.objective;
    store_->set_info("objective", {{"metric", objective.metric}, {"maximize", objective.maximize}});
    store_->set_info("name", pipeline_.name);
    write_file(options_.folder / "pipeline.yaml", pipeline_.text);
    write_file(options_.folder / "resolved.yaml", to_yaml(pipeline_.resolved, pipeline_.origins));
    write_lock();
  }

  void write_lock() const {
    Json lock = store_->info("lock").value_or(Json::object());
    if (const auto machine = store_->info("machine")) lock["machine"] = *machine;
    write_file(options_.folder / "lock.json", lock.dump(1));
  }

  /// The machine's part of the lock is known once a trainer has begun; results may differ where it differs.
  void note_machine(const Json& hello) {
    if (machine_noted_ || !hello.is_object()) return;
    machine_noted_ = true;
    Json machine = hello;
    machine["processor"] = processor_name();
    const auto before = store_->info("machine");
    if (before && *before != machine) {
      const std::string where = first_difference(*before, machine);
      const auto value = [&](const Json& of) { return of.contains(where) ? of[where].dump() : "nothing"; };
      observer_.on_note(fmt::format("this is not the machine that the study began on: '{}' was {} and is {}; results may differ",
                                    where, value(*before), value(machine)));
    }
    if (before) return;
    store_->set_info("machine", machine);
    write_lock();
  }

  double spent() const { return spent_before_ + seconds_since(begun_); }
  void save_spent() { store_->set_info("spent_seconds", spent()); }

  /// True once time or epochs are used up; trials are counted where one is added.
  bool is_spent(const std::vector<TrialRecord>& trials) const {
    const Search& search = pipeline_.search;
    if (search.budget_seconds > 0 && spent() >= search.budget_seconds) return true;
    double epochs = 0.0;
    for (const TrialRecord& trial : trials) epochs += trial.epochs;
    return search.budget_epochs > 0 && epochs >= search.budget_epochs;
  }

  StudyEnd search() {
    while (!options_.interrupted()) {
      require_folder();
      const std::vector<TrialRecord> trials = store_->trials();
      if (is_spent(trials)) return StudyEnd::finished;
      if (const auto lease = store_->claim(kOwner, kLeaseSeconds)) {
        if (run_trial(*lease)) continue;
        if (options_.interrupted()) return StudyEnd::interrupted;
        observer_.on_note(fmt::format("the time budget ended trial {} before all of its parts were trained: it has no score; "
                                      "a larger search.budget.time goes on with it", lease->trial));
        return StudyEnd::finished;
      } else if (!decide(trials)) {
        return StudyEnd::finished;
      }
    }
    return StudyEnd::interrupted;
  }

  /// SQLite goes on writing into a file that is deleted, and all of it would be lost.
  void require_folder() const {
    std::error_code error;
    require(std::filesystem::exists(options_.folder / "study.db", error), "E3021",
            fmt::format("'{}' has been deleted or moved while the study ran", (options_.folder / "study.db").string()));
  }

  /// Adds one trial; false if the search is over.
  bool decide(const std::vector<TrialRecord>& trials) {
    const Search& search = pipeline_.search;
    if (search.budget_trials > 0 && std::ssize(trials) >= search.budget_trials) return false;
    Random random(derive_seed(derive_seed(pipeline_.seed, "scheduler"), static_cast<uint64_t>(trials.size())));
    const Step step = registry_.scheduler(search.scheduler).next(search.scheduler_settings, 1.0, history(trials, search.objective), random);
    if (step.kind == Step::Kind::finished) return false;
    if (step.kind != Step::Kind::start)
      fail("E4010", fmt::format("scheduler '{}' resumes or awaits a trial, and no trial is paused or running", search.scheduler));
    const auto proposal = next_proposal(pipeline_, registry_, trials, [this](const std::string& note) { observer_.on_note(note); });
    if (!proposal) return false;
    const std::string study = options_.folder.filename().string();
    const Json document = trial_document(pipeline_, proposal->settings, registry_, data_, study, std::ssize(trials));
    store_->add(proposal->settings, proposal->reason, document);
    return true;
  }

  /// Runs one claimed trial to an end that is recorded; false if it was given back unfinished.
  bool run_trial(const Lease& lease) {
    observer_.on_trial_start(store_->trial(lease.trial).value(), planned_trials(pipeline_));
    const std::vector<Part> parts = parts_of(pipeline_);
    const bool goes_on = parts.empty() ? train_claimed(context_, lease, {}) : run_parts(lease, parts);
    observer_.on_trial_end(store_->trial(lease.trial).value());
    return goes_on;
  }

  /// Trains what a trial consists of, each part like a trial of its own; its score is their mean. A part that fails fails
  /// the trial. Parts are kept over interruptions, and so a trial is never scored by some of its parts.
  bool run_parts(const Lease& lease, const std::vector<Part>& parts) {
    const Json document = store_->document(lease.trial);
    for (const Part& part : parts) {
      store_->add_part(lease.trial, part.name, part_document(document, part, pipeline_, data_));
      const auto claimed = store_->claim_part(lease.trial, part.name, kOwner, kLeaseSeconds);
      if (claimed) {
        observer_.on_part_start(store_->trial(lease.trial, part.name).value());
        store_->renew(lease, kLeaseSeconds);
        if (!train_claimed(context_, *claimed, {.keeps_partial = false})) {
          store_->release(lease, 0.0);
          return false;
        }
      }
      const TrialRecord ended = store_->trial(lease.trial, part.name).value();
      if (ended.state == TrialState::failed) {
        store_->fail(lease, ended.cause, part.name + ": " + ended.message, seconds_of(lease.trial));
        return true;
      }
    }
    const std::string& metric = pipeline_.search.objective.metric;
    const Metrics scores = mean_scores(store_->parts(lease.trial), metric);
    const auto objective = scores.find(metric);
    store_->complete(lease, scores, objective == scores.end() ? std::nullopt : std::optional(objective->second), seconds_of(lease.trial));
    return true;
  }

  double seconds_of(int64_t trial) const {
    double sum = 0.0;
    for (const TrialRecord& part : store_->parts(trial)) sum += part.seconds;
    return sum;
  }

  /// Trains the winner again on all rows that are not test, for as many epochs as it was best after. False: interrupted.
  bool refit(const TrialRecord& best) {
    if (!pipeline_.search.refit) return true;
    const Json document = store_->document(best.number);
    if (!store_->trial(best.number, kRefit)) store_->add_part(best.number, kRefit, refit_document(document, data_));
    const auto claimed = store_->claim_part(best.number, kRefit, kOwner, kLeaseSeconds);
    if (!claimed) return true;
    observer_.on_note(fmt::format("trial {} is the best: training it again on all rows but test, for {} epochs", best.number, refit_epochs(best)));
    observer_.on_part_start(store_->trial(best.number, kRefit).value());
    if (!train_claimed(context_, *claimed, {.until = refit_epochs(best), .in_budget = false, .keeps_partial = false})) return false;
    const TrialRecord ended = store_->trial(best.number, kRefit).value();
    if (ended.state == TrialState::failed)
      observer_.on_note(fmt::format("training trial {} again failed ({}): {}", best.number, ended.cause, ended.message));
    return true;
  }

  StudyResult conclude(StudyEnd end) {
    require_folder();
    const std::vector<TrialRecord> trials = store_->trials();
    StudyResult result{.end = end, .best = best_trial(trials, pipeline_.search.objective)};
    result.complete = std::ranges::count(trials, TrialState::complete, &TrialRecord::state);
    result.failed = std::ranges::count(trials, TrialState::failed, &TrialRecord::state);
    if (end == StudyEnd::finished && result.best && !refit(*result.best)) result.end = StudyEnd::interrupted;
    if (result.end == StudyEnd::finished && result.best) {
      result.scores = write_best(pipeline_, options_, data_, *store_, *result.best, observer_);
      if (options_.interrupted()) result.end = StudyEnd::interrupted;
    }
    return result;
  }

  const Pipeline& pipeline_;
  const Registry& registry_;
  const StudyOptions& options_;
  Observer& observer_;
  FolderLock lock_;
  std::unique_ptr<Store> store_;
  Preparation data_ = {};
  double spent_before_ = 0.0;
  bool machine_noted_ = false;
  Clock::time_point begun_ = Clock::now();
  TrainingContext context_{pipeline_, options_, *store_, observer_, [this] { return spent(); }, [this] { save_spent(); },
                           [this](const Json& hello) { note_machine(hello); }};
};

}  // namespace

StudyResult run_study(const Pipeline& pipeline, const Registry& registry, const StudyOptions& options, Observer& observer) {
  return Run(pipeline, registry, options, observer).run();
}

}  // namespace espalier
