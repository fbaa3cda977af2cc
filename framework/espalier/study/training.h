#pragma once

#include "espalier/study/study.h"

#include <functional>
#include <string>

namespace espalier {

/// What every training of a study needs.
struct TrainingContext {
  const Pipeline& pipeline;
  const StudyOptions& options;
  Store& store;                        ///< of this worker alone
  Observer& observer;
  const Predict& predict;              ///< by the study's calibration
  std::string owner;                   ///< in whose name trials are claimed
  std::function<int()> interrupts;     ///< how often someone has asked to stop: 1 after the step, 2 at once
  std::function<double()> spent;       ///< seconds of the time budget, over all runs of the study
  std::function<void()> save_spent;
  std::function<void(const Json&)> on_hello;   ///< what a trainer says of itself: LibTorch, threads, precision
};

/// What a training is asked beyond its document.
struct TrainingOrder {
  Json until = nullptr;       ///< epochs after which it ends; null: as the document says
  bool in_budget = true;      ///< the time budget stops it
  bool keeps_partial = true;  ///< stopped by the budget, the epoch that its score asks for counts; false: it is given back
  bool pauses = false;        ///< where `until` comes before its end, it waits for more
  const Lease* whole = nullptr;  ///< of a part: the lease of its trial, which is kept with its own
};

/// Trains one claimed trial, or part of one, in a child process to an end that is recorded in the store. False if it was
/// given back unfinished: someone interrupted, or the budget is spent. A lease that is lost is a note, and nothing more is
/// written under it.
bool train_claimed(const TrainingContext& context, const Lease& lease, const TrainingOrder& order);

/// Folder of a trial or a part of it, below the study's: "trials/0012", "trials/0012/fold-2".
std::string training_folder(int64_t trial, const std::string& part);

}  // namespace espalier
