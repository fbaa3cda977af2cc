#pragma once

#include "espalier/pipeline/pipeline.h"
#include "espalier/store/store.h"

#include <atomic>
#include <filesystem>
#include <functional>
#include <string>

namespace espalier {

/// What someone who watches a study is told.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void on_history(const std::vector<TrialRecord>&, double spent_seconds) { (void)spent_seconds; }
  virtual void on_data(const Preparation&) {}
  virtual void on_progress(const std::string& what, double fraction) { (void)what, (void)fraction; }
  virtual void on_trial_start(const TrialRecord&, int64_t planned) { (void)planned; }
  virtual void on_epoch(const TrialRecord&, const EpochRecord&) {}
  /// A training among several of the trial that was started last, or its refit.
  virtual void on_part_start(const TrialRecord&) {}
  /// The trainer has said something, at least once in a few seconds while it is well.
  virtual void on_pulse() {}
  virtual void on_trial_end(const TrialRecord&) {}
  virtual void on_note(const std::string&) {}
};

struct StudyOptions {
  std::filesystem::path folder;              ///< the study's own, created if absent
  std::filesystem::path trainer;             ///< espalier-trainer
  double lease_seconds = 60.0;               ///< how long a trial is a worker's own after it was last heard of
  const std::atomic<int>* interrupts = nullptr;  ///< number of Ctrl-C seen: 1 finishes the step, 2 stops at once

  int interrupt_count() const { return interrupts != nullptr ? interrupts->load() : 0; }
  bool interrupted() const { return interrupt_count() > 0; }
};

enum class StudyEnd { finished, interrupted };

struct StudyResult {
  StudyEnd end = StudyEnd::finished;
  std::optional<TrialRecord> best;
  int64_t complete = 0;
  int64_t failed = 0;
  Json scores;     ///< of the best model: {"search": {...}, "test": {...}, "baseline": {...}}
};

/// Runs or continues a study until its budget is spent: prepares the data, asks scheduler and tuner, runs every trial in a
/// child process, records, evaluates the winner on the test split once, writes best/.
StudyResult run_study(const Pipeline& pipeline, const Registry& registry, const StudyOptions& options, Observer& observer);

/// Joins a study that was begun: `count` workers that claim trials and decide until the search is over or someone interrupts.
/// For more processes on this machine and on others that share folder and store; the winner is `run_study`'s affair.
StudyEnd run_workers(const Pipeline& pipeline, const Registry& registry, const StudyOptions& options, Observer& observer, int64_t count);

/// Adds a trial of these settings to a study, to be trained to its end; returns its number. Throws E3023 if it was tried.
int64_t enqueue(const Pipeline& pipeline, const Registry& registry, const std::filesystem::path& folder, const Settings& settings,
                const std::string& reason, Observer& observer);

}  // namespace espalier
