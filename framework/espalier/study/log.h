#pragma once

#include "espalier/pipeline/pipeline.h"
#include "espalier/store/store.h"

#include <functional>
#include <vector>

namespace espalier {

/// The log of a study in memory, so that a decision does not cost a reading of all that came before it.
class Log {
 public:
  /// Reads what was decided and what has ended since the last call.
  void refresh(const Store& store);

  int64_t decisions() const { return std::ssize(decisions_); }
  int64_t trials() const { return std::ssize(settings_); }
  /// How many decisions have ended.
  int64_t ended() const { return ended_; }
  /// True if all decisions before this one have ended.
  bool ended_before(int64_t number) const;
  /// Epochs of all trials together, as far as they have ended.
  double epochs() const;

  /// What tuners and schedulers see, a history for each objective: every trial, with the results of those decisions that `sees`
  /// is true for; one with another decision is running. Objectives are negated where they are maximised.
  std::vector<History> histories(const std::vector<Objective>& objectives, const std::function<bool(const Decision&)>& sees) const;

 private:
  std::vector<Decision> decisions_;   ///< by number
  std::vector<Settings> settings_;    ///< by trial
  int64_t ended_ = 0;
};

}  // namespace espalier
