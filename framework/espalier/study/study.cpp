#include "espalier/study/study.h"

#include "espalier/error.h"
#include "espalier/study/child.h"
#include "espalier/study/decide.h"
#include "espalier/study/files.h"
#include "espalier/study/winner.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace espalier {

namespace {

using Clock = std::chrono::steady_clock;

/// Longer than the silence that counts as hung, so that a living trial keeps its lease.
constexpr double kLeaseSeconds = 900.0;
constexpr double kRenewSeconds = 30.0;
constexpr const char* kOwner = "local";

double seconds_since(Clock::time_point then) { return std::chrono::duration<double>(Clock::now() - then).count(); }

Metrics numbers_of(const Json& object) {
  Metrics out;
  if (!object.is_object()) return out;
  for (const auto& [name, value] : object.items())
    if (value.is_number()) out[name] = value.get<double>();
  return out;
}

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
    data_ = prepare_data(pipeline_.data, [this](const std::string& name) -> const ReaderType& { return registry_.reader(name); },
                         [this](const std::string& what, double fraction) { observer_.on_progress(what, fraction); });
    observer_.on_data(data_);
    write_documents();
    spent_before_ = store_->info("spent_seconds").value_or(0.0).get<double>();
    begun_ = Clock::now();
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
    if (pipeline_.search.replicates > 1 || pipeline_.search.refit)
      observer_.on_note("each trial is trained once and its own model is the best one: replicates and refit have no effect");
    const Objective& objective = pipeline_.search.objective;
    store_->set_info("objective", {{"metric", objective.metric}, {"maximize", objective.maximize}});
    store_->set_info("name", pipeline_.name);
    write_file(options_.folder / "pipeline.yaml", pipeline_.text);
    write_file(options_.folder / "resolved.yaml", to_yaml(pipeline_.resolved, pipeline_.origins));
    write_file(options_.folder / "lock.json", lock.dump(1));
  }

  int interrupts() const { return options_.interrupts != nullptr ? options_.interrupts->load() : 0; }
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
    while (interrupts() == 0) {
      const std::vector<TrialRecord> trials = store_->trials();
      if (is_spent(trials)) return StudyEnd::finished;
      if (const auto lease = store_->claim(kOwner, kLeaseSeconds)) {
        if (!run_trial(*lease)) return StudyEnd::interrupted;
      } else if (!decide(trials)) {
        return StudyEnd::finished;
      }
    }
    return StudyEnd::interrupted;
  }

  /// Adds one trial; false if the search is over.
  bool decide(const std::vector<TrialRecord>& trials) {
    const Search& search = pipeline_.search;
    if (search.budget_trials > 0 && std::ssize(trials) >= search.budget_trials) return false;
    Random random(derive_seed(derive_seed(pipeline_.seed, "scheduler"), static_cast<uint64_t>(trials.size())));
    const Step step = registry_.scheduler(search.scheduler).next(search.scheduler_settings, history(trials, search.objective), random);
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

  /// Runs one claimed trial to an end that is recorded; false if someone interrupted.
  bool run_trial(const Lease& lease) {
    const TrialRecord trial = store_->trial(lease.trial).value();
    const Json document = store_->document(lease.trial);
    const std::string folder = trial_folder(lease.trial);
    const std::string attempt = fmt::format("{}/attempts/{}", folder, lease.token);
    std::filesystem::create_directories(options_.folder / attempt);
    write_file(options_.folder / folder / "trial.json", document.dump(1));
    observer_.on_trial_start(trial, planned_trials(pipeline_));
    const ChildEnd end = train(child_options(trial, attempt), train_job(trial, lease, document, attempt), listener(lease, attempt));
    save_spent();
    const bool goes_on = record_end(lease, end, attempt);
    observer_.on_trial_end(store_->trial(lease.trial).value());
    return goes_on;
  }

  /// A trainer that talks nonsense has failed its trial, and not the study.
  static ChildEnd train(const ChildOptions& child, const Json& job, const std::function<void(const Json&)>& on_message) {
    const Clock::time_point begun = Clock::now();
    std::string nonsense;
    try {
      return run_child(child, job, on_message);
    } catch (const Json::exception& error) {
      nonsense = error.what();
    } catch (const Error& error) {
      if (error.problems().front().code != "E4002") throw;
      nonsense = error.problems().front().message;
    }
    return {.cause = "crash", .message = "the trainer's messages make no sense: " + nonsense, .done = {}, .seconds = seconds_since(begun)};
  }

  ChildOptions child_options(const TrialRecord& trial, const std::string& attempt) const {
    constexpr double kLeast = 0.001;  // 0 would mean no limit
    const Search& search = pipeline_.search;
    ChildOptions child{.program = options_.trainer, .log = options_.folder / attempt / "log.txt", .interrupts = options_.interrupts};
    if (search.limit_seconds > 0) child.limit_seconds = std::max(kLeast, search.limit_seconds - trial.seconds);
    child.limit_bytes = search.limit_bytes;
    if (search.budget_seconds > 0) child.stop_seconds = std::max(kLeast, search.budget_seconds - spent());
    return child;
  }

  Json train_job(const TrialRecord& trial, const Lease& lease, const Json& document, const std::string& attempt) const {
    const auto absolute = [this](const std::string& below) { return std::filesystem::absolute(options_.folder / below).string(); };
    return {{"format", 1}, {"do", "train"}, {"trial", document},
            {"attempt", {{"token", lease.token}, {"from", static_cast<int64_t>(trial.epochs)}, {"until", nullptr},
                         {"read", trial.checkpoint.empty() ? "" : absolute(trial.checkpoint)}, {"write", absolute(attempt)}}}};
  }

  /// Records what a trainer tells while it works.
  std::function<void(const Json&)> listener(const Lease& lease, const std::string& attempt) {
    const TrialRecord trial = store_->trial(lease.trial).value();
    return [this, lease, attempt, trial, last = Clock::now(), done = trial.epochs](const Json& message) mutable {
      bool held = true;
      if (message.contains("epoch") && message.contains("metrics")) {
        EpochRecord epoch{.epoch = message["epoch"].get<int64_t>(), .metrics = numbers_of(message["metrics"])};
        if (message.contains("seconds")) epoch.metrics["seconds"] = message["seconds"].get<double>();
        done = static_cast<double>(epoch.epoch);
        held = store_->record_epoch(lease, epoch);
        observer_.on_epoch(trial, epoch);
        save_spent();
      }
      if (message.contains("checkpoint")) {
        const std::string path = below_folder(message["checkpoint"].get<std::string>(), attempt);
        held = held && store_->record_checkpoint(lease, path, message.value("sha256", ""), message.value("epochs", done));
      }
      if (seconds_since(last) > kRenewSeconds) {
        held = held && store_->renew(lease, kLeaseSeconds);
        last = Clock::now();
      }
      require(held, "E3016", fmt::format("another process has taken trial {}", lease.trial));
    };
  }

  /// A file named by the trainer, absolute or below its attempt, as a path below the study's folder.
  std::string below_folder(const std::filesystem::path& file, const std::string& attempt) const {
    if (file.is_relative()) return (attempt / file).string();
    return file.lexically_relative(std::filesystem::absolute(options_.folder)).string();
  }

  bool record_end(const Lease& lease, const ChildEnd& end, const std::string& attempt) {
    if (end.cause.empty()) {
      complete(lease, numbers_of(end.done), end, attempt);
      return true;
    }
    if (end.cause != "interrupted") {
      store_->fail(lease, end.cause, end.message, end.seconds);
      return true;
    }
    if (interrupts() > 0) {
      store_->release(lease, end.seconds);
      return false;
    }
    // The time budget ended it: what it has reached counts.
    const Metrics scores = best_epoch(lease.trial);
    if (scores.empty()) {
      store_->release(lease, end.seconds);
    } else {
      observer_.on_note(fmt::format("trial {} was stopped by the time budget: its best epoch counts", lease.trial));
      complete(lease, scores, collect(lease, end, attempt), attempt);
    }
    return true;
  }

  /// Lets the trainer write the weights of the best epoch of a trial that was stopped: it is told to go on until where it
  /// stands. If that fails, the end is as it was, and the checkpoint is what there is.
  ChildEnd collect(const Lease& lease, ChildEnd end, const std::string& attempt) {
    const TrialRecord trial = store_->trial(lease.trial).value();
    if (trial.checkpoint.empty()) return end;
    Json job = train_job(trial, lease, store_->document(lease.trial), attempt);
    job["attempt"]["until"] = trial.epochs;
    const ChildOptions child{.program = options_.trainer, .log = options_.folder / attempt / "log.txt", .interrupts = options_.interrupts};
    ChildEnd collected = train(child, job, {});
    if (!collected.cause.empty()) return end;
    collected.seconds += end.seconds;
    return collected;
  }

  void complete(const Lease& lease, Metrics scores, const ChildEnd& end, const std::string& attempt) {
    const std::string& metric = pipeline_.search.objective.metric;
    if (!scores.contains(metric))
      for (const auto& [name, value] : best_epoch(lease.trial)) scores.try_emplace(name, value);
    const auto objective = scores.find(metric);
    if (objective == scores.end() || !std::isfinite(objective->second)) {
      const bool not_a_number = objective != scores.end() || (end.done.is_object() && end.done.contains(metric));
      const std::string message = not_a_number ? fmt::format("'{}' is not a finite number", metric)
                                               : fmt::format("the trainer gave no '{}'", metric);
      store_->fail(lease, not_a_number ? "nan" : "crash", message, end.seconds);
      return;
    }
    if (const std::string weights = find_weights(lease, end, attempt); !weights.empty())
      store_->set_info(fmt::format("weights {}", lease.trial), weights);
    store_->complete(lease, scores, objective->second, end.seconds);
  }

  std::string find_weights(const Lease& lease, const ChildEnd& end, const std::string& attempt) const {
    if (end.done.is_object() && end.done.contains("weights")) return below_folder(end.done["weights"].get<std::string>(), attempt);
    if (std::filesystem::exists(options_.folder / attempt / "model.safetensors")) return attempt + "/model.safetensors";
    return store_->trial(lease.trial).value().checkpoint;
  }

  /// Metrics of the epoch that is best by the objective; empty if no epoch has it.
  Metrics best_epoch(int64_t trial) const {
    const Objective& objective = pipeline_.search.objective;
    Metrics best;
    for (const EpochRecord& epoch : store_->epochs(trial)) {
      const auto value = epoch.metrics.find(objective.metric);
      if (value == epoch.metrics.end()) continue;
      const bool better = best.empty() || (objective.maximize ? value->second > best[objective.metric] : value->second < best[objective.metric]);
      if (better) best = epoch.metrics, best["best_epoch"] = static_cast<double>(epoch.epoch);
    }
    return best;
  }

  StudyResult conclude(StudyEnd end) {
    const std::vector<TrialRecord> trials = store_->trials();
    StudyResult result{.end = end, .best = best_trial(trials, pipeline_.search.objective)};
    result.complete = std::ranges::count(trials, TrialState::complete, &TrialRecord::state);
    result.failed = std::ranges::count(trials, TrialState::failed, &TrialRecord::state);
    if (end == StudyEnd::finished && result.best) {
      result.scores = write_best(pipeline_, options_, data_, *store_, *result.best, observer_);
      if (interrupts() > 0) result.end = StudyEnd::interrupted;
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
  Clock::time_point begun_ = Clock::now();
};

}  // namespace

StudyResult run_study(const Pipeline& pipeline, const Registry& registry, const StudyOptions& options, Observer& observer) {
  return Run(pipeline, registry, options, observer).run();
}

}  // namespace espalier
