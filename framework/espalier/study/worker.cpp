#include "espalier/study/worker.h"

#include "espalier/error.h"
#include "espalier/study/refit.h"
#include "espalier/study/retention.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <thread>

namespace espalier {

namespace {

/// How often a worker without work looks for some.
constexpr auto kLook = std::chrono::milliseconds(50);
/// How often one that has lost its store asks for it.
constexpr auto kAskAgain = std::chrono::milliseconds(500);
constexpr const char* kConnectionLost = "E3017";

}  // namespace

void save_spent(Store& store, double seconds) {
  if (store.info("spent_seconds").value_or(0.0).get<double>() < seconds) store.set_info("spent_seconds", seconds);
}

StudyEnd work_together(Team& team, int64_t count, const std::string& owners) {
  std::vector<std::exception_ptr> errors(static_cast<size_t>(count));
  std::vector<StudyEnd> ends(errors.size(), StudyEnd::finished);
  const auto work = [&](size_t i) {
    try {
      const std::unique_ptr<Store> store = open_store(team.options.folder);
      ends[i] = Worker(team, *store, owners + std::to_string(i)).work();
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

Worker::Worker(Team& team, Store& store, const std::string& owner)
    : team_(team), pipeline_(team.deciding.pipeline), store_(store), owner_(owner),
      context_{.pipeline = pipeline_, .options = team.options, .store = store, .observer = team.observer,
               .predict = team.deciding.settled.predict, .owner = owner,
               .interrupts = [this] { return std::max(team_.options.interrupt_count(), is_stopped() ? 1 : 0); },
               .spent = team.spent,
               .save_spent = [this] { save_spent(store_, team_.spent()); },
               .on_hello = team.on_hello} {}

StudyEnd Worker::work() {
  while (true) {
    try {
      if (context_.interrupts() > 0) return StudyEnd::interrupted;
      switch (once()) {
        case Ended::goes_on: break;
        case Ended::search_over: return StudyEnd::finished;
        case Ended::interrupted: return StudyEnd::interrupted;
      }
    } catch (const Error& error) {
      const Problem& problem = error.problems().front();
      if (problem.code != kConnectionLost) throw;
      if (!await_store(problem.message)) return StudyEnd::interrupted;
    }
  }
}

/// A server may be started again. What this worker held is claimed again once its lease is over, from its last checkpoint.
bool Worker::await_store(const std::string& why) {
  team_.observer.on_note(why + "; waiting for it");
  const Clock::time_point begun = Clock::now();
  while (team_.options.interrupt_count() == 0) {
    std::this_thread::sleep_for(kAskAgain);
    try {
      store_.info("stop");
      team_.observer.on_note(fmt::format("the store is there again, after {:.0f} s", seconds_since(begun)));
      return true;
    } catch (const Error& error) {
      if (error.problems().front().code != kConnectionLost) throw;
    }
  }
  return false;
}

Worker::Ended Worker::once() {
  require_folder();
  log_.refresh(store_);
  if (is_spent()) return Ended::search_over;
  if (const auto lease = store_.claim(owner_, team_.options.lease_seconds)) {
    if (run_trial(*lease)) return Ended::goes_on;
    if (context_.interrupts() > 0) return Ended::interrupted;
    team_.observer.on_note(fmt::format("the time budget ended trial {} before all of its parts were trained: it has no score; "
                                       "a larger search.budget.time goes on with it", lease->trial));
    return Ended::search_over;
  }
  switch (decide()) {
    case Decided::yes: break;
    case Decided::finished: return Ended::search_over;
    case Decided::wait: std::this_thread::sleep_for(kLook);
  }
  return Ended::goes_on;
}

Decided Worker::decide() {
  const std::lock_guard lock(team_.mutex);
  log_.refresh(store_);
  return decide_next(team_.deciding, log_, store_);
}

/// True once time or epochs are used up; trials are counted where one is added.
bool Worker::is_spent() const {
  const Search& search = pipeline_.search;
  if (search.budget_seconds > 0 && team_.spent() >= search.trial_seconds()) return true;
  return search.budget_epochs > 0 && log_.epochs() >= search.budget_epochs;
}

/// True if `espalier stop` was said; the store is not asked more than once a second.
bool Worker::is_stopped() const {
  if (seconds_since(asked_) < 1.0) return stopped_;
  asked_ = Clock::now();
  stopped_ = store_.info("stop").value_or(false) == Json(true);
  return stopped_;
}

/// SQLite goes on writing into a file that is deleted, and all of it would be lost.
void Worker::require_folder() const {
  std::error_code error;
  const std::filesystem::path file = team_.options.folder / "lock.json";
  require(std::filesystem::exists(file, error), "E3021",
          fmt::format("'{}' has been deleted or moved while the study ran", team_.options.folder.string()));
}

bool Worker::run_trial(const Lease& lease) {
  const TrialRecord trial = store_.trial(lease.trial).value();
  team_.observer.on_trial_start(trial, planned_trials(pipeline_));
  TrainingOrder order;
  if (trial.until > 0.0) order = {.until = trial.until, .pauses = true};
  const std::vector<Part> parts = parts_of(pipeline_);
  const bool goes_on = parts.empty() ? train_claimed(context_, lease, order) : run_parts(lease, parts, order);
  team_.observer.on_trial_end(store_.trial(lease.trial).value());
  const std::filesystem::path& folder = team_.options.folder;
  remove_files(folder, removable_files_of(lease.trial, folder, store_, pipeline_.keep));
  return goes_on;
}

/// Trains what a trial consists of, each part like a trial of its own; its score is their mean. A part that fails fails the
/// trial. Parts are kept over interruptions, and so a trial is never scored by some of its parts.
bool Worker::run_parts(const Lease& lease, const std::vector<Part>& parts, const TrainingOrder& whole) {
  const Json document = store_.document(lease.trial);
  bool is_paused = false;
  for (const Part& part : parts) {
    store_.add_part(lease.trial, part.name, part_document(document, part, pipeline_, team_.deciding.data));
    const TrialRecord before = store_.trial(lease.trial, part.name).value();
    const bool is_done = before.state == TrialState::paused && whole.pauses && before.epochs >= whole.until.get<double>();
    if (const auto claimed = is_done ? std::nullopt : store_.claim_part(lease.trial, part.name, owner_, team_.options.lease_seconds)) {
      team_.observer.on_part_start(store_.trial(lease.trial, part.name).value());
      TrainingOrder order = whole;
      order.keeps_partial = false;
      order.whole = &lease;
      if (!train_claimed(context_, *claimed, order)) {
        store_.release(lease, 0.0);
        return false;
      }
    }
    const TrialRecord ended = store_.trial(lease.trial, part.name).value();
    if (ended.state == TrialState::failed) {
      store_.fail(lease, ended.cause, part.name + ": " + ended.message, seconds_of(lease.trial));
      return true;
    }
    // Another worker has the trial now.
    if (ended.state != TrialState::complete && ended.state != TrialState::paused) return true;
    is_paused = is_paused || ended.state == TrialState::paused;
  }
  conclude_parts(lease, is_paused);
  return true;
}

void Worker::conclude_parts(const Lease& lease, bool is_paused) {
  const std::string& metric = pipeline_.search.objective().metric;
  Metrics scores = mean_scores(store_.parts(lease.trial), metric);
  // Folds train on each other's rows: their scores are not independent, and no interval follows from them.
  if (const auto spread = scores.find(kSpread); spread != scores.end() && pipeline_.folds == 0)
    scores[kInterval] = interval_of_mean(spread->second, pipeline_.search.replicates);
  const auto found = scores.find(metric);
  const std::optional<double> objective = found == scores.end() ? std::nullopt : std::optional(found->second);
  // Seconds add up over the orders of a trial, and those of its parts are all of them.
  const double seconds = seconds_of(lease.trial) - store_.trial(lease.trial)->seconds;
  if (is_paused) store_.pause(lease, scores, objective, seconds);
  else store_.complete(lease, scores, objective, seconds);
}

double Worker::seconds_of(int64_t trial) const {
  double sum = 0.0;
  for (const TrialRecord& part : store_.parts(trial)) sum += part.seconds;
  return sum;
}

bool Worker::refit(const TrialRecord& best) {
  const Search& search = pipeline_.search;
  if (!search.refit.is_wanted) return true;
  if (!store_.trial(best.number, kRefit))
    store_.add_part(best.number, kRefit, refit_document(team_.deciding, store_, best, search.budget_seconds - team_.spent()));
  const auto claimed = store_.claim_part(best.number, kRefit, owner_, team_.options.lease_seconds);
  if (!claimed) return true;
  const Json document = store_.document(best.number, kRefit);
  const Json until = document.value("until", Json());
  team_.observer.on_note(fmt::format("trial {} is the best: training it again on all rows but test, for {:g} epochs", best.number,
                                     (until.is_null() ? document.at("train").at("epochs").at("count") : until).get<double>()));
  team_.observer.on_part_start(store_.trial(best.number, kRefit).value());
  if (!train_claimed(context_, *claimed, {.until = until, .in_budget = false, .keeps_partial = false})) return false;
  const TrialRecord ended = store_.trial(best.number, kRefit).value();
  if (ended.state == TrialState::failed)
    team_.observer.on_note(fmt::format("training trial {} again failed ({}): {}", best.number, ended.cause, ended.message));
  return true;
}

}  // namespace espalier
