#pragma once

#include "espalier/study/clock.h"
#include "espalier/study/decide.h"
#include "espalier/study/parts.h"
#include "espalier/study/training.h"

#include <mutex>

namespace espalier {

/// What the workers of one process share. Decisions are made one after the other: plugins are opened as they are needed.
struct Team {
  Deciding deciding;
  const StudyOptions& options;
  Observer& observer;                          ///< may be told by several threads at a time
  std::function<double()> spent;               ///< seconds of the time budget, over all runs of the study
  std::function<void(const Json&)> on_hello;
  std::mutex mutex = {};
};

/// `count` workers, one in this thread and the others each in a thread of its own, named `owners` and a number. Throws what one
/// of them threw.
StudyEnd work_together(Team& team, int64_t count, const std::string& owners);

/// Keeps how long a study has taken; never less than what another process has said.
void save_spent(Store& store, double seconds);

/// One worker: claims trials and carries them out, and decides what comes next where nothing waits. Each has a connection of
/// its own to the store.
class Worker {
 public:
  Worker(Team& team, Store& store, const std::string& owner);

  /// Works until the search is over or someone interrupts.
  StudyEnd work();
  /// Trains the winner again on all rows that are not test. False: interrupted.
  bool refit(const TrialRecord& best);

 private:
  enum class Ended { goes_on, search_over, interrupted };

  Ended once();
  Decided decide();
  bool await_store(const std::string& why);
  bool is_spent() const;
  bool is_stopped() const;
  bool run_trial(const Lease& lease);
  bool run_parts(const Lease& lease, const std::vector<Part>& parts, const TrainingOrder& whole);
  void conclude_parts(const Lease& lease, bool is_paused);
  double seconds_of(int64_t trial) const;
  void require_folder() const;

  Team& team_;
  const Pipeline& pipeline_;
  Store& store_;
  std::string owner_;
  TrainingContext context_;
  Log log_;
  mutable Clock::time_point asked_ = Clock::now();   ///< when the store was asked last whether to stop
  mutable bool stopped_ = false;
};

}  // namespace espalier
