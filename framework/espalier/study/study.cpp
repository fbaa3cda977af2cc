#include "espalier/study/study.h"

#include "espalier/error.h"
#include "espalier/study/clock.h"
#include "espalier/study/files.h"
#include "espalier/study/winner.h"
#include "espalier/study/worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <thread>

namespace espalier {

namespace {

/// The first path at which two documents differ.
std::string first_difference(const Json& before, const Json& now) {
  const Json patch = Json::diff(before, now);
  std::string path = patch.empty() ? "" : patch[0]["path"].get<std::string>().substr(1);
  std::ranges::replace(path, '/', '.');
  return path;
}

/// Names of the workers of the process that runs a study.
constexpr const char* kOwners = "run/";

/// Lets several threads tell one observer.
class LockedObserver final : public Observer {
 public:
  explicit LockedObserver(Observer& observer) : observer_(observer) {}
  void on_history(const std::vector<TrialRecord>& trials, double spent) override { tell([&] { observer_.on_history(trials, spent); }); }
  void on_data(const Preparation& data) override { tell([&] { observer_.on_data(data); }); }
  void on_progress(const std::string& what, double fraction) override { tell([&] { observer_.on_progress(what, fraction); }); }
  void on_trial_start(const TrialRecord& trial, int64_t planned) override { tell([&] { observer_.on_trial_start(trial, planned); }); }
  void on_epoch(const TrialRecord& trial, const EpochRecord& epoch) override { tell([&] { observer_.on_epoch(trial, epoch); }); }
  void on_part_start(const TrialRecord& part) override { tell([&] { observer_.on_part_start(part); }); }
  void on_pulse() override { tell([&] { observer_.on_pulse(); }); }
  void on_trial_end(const TrialRecord& trial) override { tell([&] { observer_.on_trial_end(trial); }); }
  void on_note(const std::string& note) override { tell([&] { observer_.on_note(note); }); }

 private:
  template <class Tell>
  void tell(const Tell& what) {
    const std::lock_guard lock(mutex_);
    what();
  }

  Observer& observer_;
  std::mutex mutex_;
};

/// One process's work on one study.
class Run {
 public:
  Run(const Pipeline& pipeline, const Registry& registry, const StudyOptions& options, Observer& observer)
      : pipeline_(pipeline), registry_(registry), options_(options), observer_(observer), lock_(prepare_folder(options.folder)),
        store_(create_store(options.folder, pipeline.store)) {}

  StudyResult run() {
    check_identity();
    data_ = prepare_data(pipeline_.data, readers_of(registry_),
                         [this](const std::string& what, double fraction) { observer_.on_progress(what, fraction); });
    observer_.on_data(data_);
    write_documents();
    spent_before_ = store_->info("spent_seconds").value_or(0.0).get<double>();
    begun_ = Clock::now();
    observer_.on_history(store_->trials(), spent_before_);
    // No other process runs this study in the folder: what its workers held is free.
    store_->abandon(kOwners);
    store_->set_info("stop", false);
    Team team{.deciding = {.pipeline = pipeline_, .registry = registry_, .data = data_, .study = options_.folder.filename().string(),
                           .threads = settle_threads(), .on_note = [this](const std::string& note) { observer_.on_note(note); }},
              .options = options_, .observer = observer_, .spent = [this] { return spent(); },
              .on_hello = [this](const Json& hello) { note_machine(hello); }};
    const StudyEnd end = search(team);
    save_spent();
    return conclude(end, team);
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
    const std::lock_guard lock(machine_mutex_);
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

  /// As many threads for each trial as the machine has for each worker when the study begins; kept, as results depend on it.
  int64_t settle_threads() {
    if (const auto before = store_->info("threads")) return before->get<int64_t>();
    const int64_t threads = std::max<int64_t>(1, static_cast<int64_t>(std::thread::hardware_concurrency()) / worker_count());
    store_->set_info("threads", threads);
    return threads;
  }

  int64_t worker_count() const { return std::max<int64_t>(1, pipeline_.workers); }

  /// The search, by one worker here and the others each in a thread of its own.
  StudyEnd search(Team& team) {
    std::vector<std::exception_ptr> errors(static_cast<size_t>(worker_count()));
    std::vector<StudyEnd> ends(errors.size(), StudyEnd::finished);
    const auto work = [&](size_t i) {
      try {
        const std::unique_ptr<Store> store = open_store(options_.folder);
        ends[i] = Worker(team, *store, fmt::format("{}{}", kOwners, i)).work();
      } catch (...) {
        errors[i] = std::current_exception();
      }
    };
    {
      std::vector<std::jthread> others;
      for (size_t i = 1; i < ends.size(); ++i) others.emplace_back(work, i);
      work(0);
    }
    for (const std::exception_ptr& error : errors)
      if (error) std::rethrow_exception(error);
    return std::ranges::count(ends, StudyEnd::interrupted) > 0 ? StudyEnd::interrupted : StudyEnd::finished;
  }

  StudyResult conclude(StudyEnd end, Team& team) {
    const std::vector<TrialRecord> trials = store_->trials();
    StudyResult result{.end = end, .best = best_trial(trials, pipeline_.search.objective)};
    result.complete = std::ranges::count(trials, TrialState::complete, &TrialRecord::state);
    result.failed = std::ranges::count(trials, TrialState::failed, &TrialRecord::state);
    if (end == StudyEnd::finished && result.best && !Worker(team, *store_, fmt::format("{}{}", kOwners, 0)).refit(*result.best)) result.end = StudyEnd::interrupted;
    if (result.end == StudyEnd::finished && result.best) {
      result.scores = write_best(pipeline_, options_, data_, *store_, *result.best, observer_);
      if (options_.interrupted()) result.end = StudyEnd::interrupted;
    }
    return result;
  }

  const Pipeline& pipeline_;
  const Registry& registry_;
  const StudyOptions& options_;
  LockedObserver observer_;
  FolderLock lock_;
  std::unique_ptr<Store> store_;
  Preparation data_ = {};
  double spent_before_ = 0.0;
  std::mutex machine_mutex_;
  bool machine_noted_ = false;
  Clock::time_point begun_ = Clock::now();
};

}  // namespace

StudyResult run_study(const Pipeline& pipeline, const Registry& registry, const StudyOptions& options, Observer& observer) {
  return Run(pipeline, registry, options, observer).run();
}

}  // namespace espalier
