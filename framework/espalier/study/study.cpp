#include "espalier/study/study.h"

#include "espalier/data/processor.h"
#include "espalier/error.h"
#include "espalier/pipeline/objective.h"
#include "espalier/store/best.h"
#include "espalier/study/clock.h"
#include "espalier/study/files.h"
#include "espalier/study/locked_observer.h"
#include "espalier/study/retention.h"
#include "espalier/study/settling.h"
#include "espalier/study/winner.h"
#include "espalier/study/worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <mutex>

#include <unistd.h>

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

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "host";
}

/// Throws E3022 if the store is that of another pipeline.
void require_identity(const Store& store, const Pipeline& pipeline, const std::filesystem::path& folder) {
  const Json now = identity(pipeline.resolved);
  const Json before = store.info("identity").value_or(Json());
  require(!before.is_null(), "E3019", fmt::format("the study in '{}' has not begun yet", folder.string()));
  if (before != now)
    fail("E3022", fmt::format("'{}' holds another study: '{}' differs", folder.string(), first_difference(before, now)),
         "give another folder, or the pipeline that it was begun with");
}

/// The time that a study has taken, as one process knows it. Several that work at once count the same seconds.
class StudyTime {
 public:
  explicit StudyTime(const Store& store) : before_(spent_before(store)) {}
  double spent() const { return before_ + seconds_since(begun_); }
  static double spent_before(const Store& store) { return store.info("spent_seconds").value_or(0.0).get<double>(); }

 private:
  double before_;
  Clock::time_point begun_ = Clock::now();
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
    const StudyTime time(*store_);
    observer_.on_history(store_->trials(), time.spent());
    // No other process runs this study in the folder: what its workers held is free.
    store_->abandon(kOwners);
    store_->set_info("stop", false);
    Team team{.deciding = {.pipeline = pipeline_, .registry = registry_, .data = data_, .folder = options_.folder,
                           .on_note = [this](const std::string& note) { observer_.on_note(note); }},
              .options = options_, .observer = observer_, .spent = [&] { return time.spent(); },
              .on_hello = [this](const Json& hello) { note_machine(hello); }};
    settle(team.deciding, *store_, options_);
    const StudyEnd end = work_together(team, team.deciding.settled.workers, kOwners);
    save_spent(*store_, time.spent());
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
    if (!store_->info("identity")) store_->set_info("identity", identity(pipeline_.resolved));
    require_identity(*store_, pipeline_, options_.folder);
  }

  void write_documents() {
    const Json lock = lock_document(pipeline_, registry_, data_);
    const auto before = store_->info("lock");
    if (before && *before != lock)
      observer_.on_note(fmt::format("since the study began, '{}' has changed", first_difference(*before, lock)));
    if (!before) store_->set_info("lock", lock);
    store_->set_info("objective", objectives_to_json(pipeline_.search.objectives));
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

  StudyResult conclude(StudyEnd end, Team& team) {
    const std::vector<TrialRecord> trials = store_->trials();
    StudyResult result{.end = end, .best = best_trial(trials, pipeline_.search.objective().maximize)};
    result.complete = std::ranges::count(trials, TrialState::complete, &TrialRecord::state);
    result.failed = std::ranges::count(trials, TrialState::failed, &TrialRecord::state);
    if (end == StudyEnd::finished && result.best && !Worker(team, *store_, fmt::format("{}{}", kOwners, 0)).refit(*result.best))
      result.end = StudyEnd::interrupted;
    if (result.end == StudyEnd::finished && result.best) {
      result.scores = write_best(pipeline_, options_, data_, *store_, *result.best, observer_);
      if (options_.interrupted()) result.end = StudyEnd::interrupted;
    }
    if (result.end == StudyEnd::finished)
      remove_files(options_.folder, removable_files(options_.folder, *store_, pipeline_.search.objective().maximize, pipeline_.keep));
    return result;
  }

  const Pipeline& pipeline_;
  const Registry& registry_;
  const StudyOptions& options_;
  LockedObserver observer_;
  FolderLock lock_;
  std::unique_ptr<Store> store_;
  Preparation data_ = {};
  std::mutex machine_mutex_;
  bool machine_noted_ = false;
};

/// What one process needs that joins a study: nothing of it is made here.
struct Joined {
  std::unique_ptr<Store> store;
  Preparation data;
  Settled settled = {};
};

Joined join(const Pipeline& pipeline, const Registry& registry, const std::filesystem::path& folder, Observer& observer) {
  Joined out{.store = open_store(folder)};
  require_identity(*out.store, pipeline, folder);
  out.data =
      prepare_data(pipeline.data, readers_of(registry), [&](const std::string& what, double fraction) { observer.on_progress(what, fraction); });
  out.settled = read_settled(*out.store, out.data);
  return out;
}

}  // namespace

StudyEnd run_workers(const Pipeline& pipeline, const Registry& registry, const StudyOptions& options, Observer& watcher, int64_t count) {
  LockedObserver observer(watcher);
  const Joined joined = join(pipeline, registry, options.folder, observer);
  require_machine(joined.settled);
  observer.on_data(joined.data);
  const StudyTime time(*joined.store);
  observer.on_history(joined.store->trials(), time.spent());
  Team team{.deciding = {.pipeline = pipeline, .registry = registry, .data = joined.data, .folder = options.folder,
                         .settled = joined.settled, .on_note = [&](const std::string& note) { observer.on_note(note); }},
            .options = options, .observer = observer, .spent = [&] { return time.spent(); }, .on_hello = [](const Json&) {}};
  return work_together(team, count, fmt::format("{}/{}/", host_name(), getpid()));
}

int64_t enqueue(const Pipeline& pipeline, const Registry& registry, const std::filesystem::path& folder, const Settings& settings,
                const std::string& reason, Observer& observer) {
  const Joined joined = join(pipeline, registry, folder, observer);
  const auto trials = joined.store->trials();
  for (const TrialRecord& trial : trials)
    if (canonical_key(trial.settings) == canonical_key(settings))
      fail("E3023", fmt::format("these settings are those of trial {}", trial.number));
  const Deciding deciding{.pipeline = pipeline, .registry = registry, .data = joined.data, .folder = folder,
                          .settled = joined.settled, .on_note = {}};
  return joined.store->add(settings, reason, document_of(deciding, settings, std::ssize(trials)));
}

StudyResult run_study(const Pipeline& pipeline, const Registry& registry, const StudyOptions& options, Observer& observer) {
  return Run(pipeline, registry, options, observer).run();
}

}  // namespace espalier
