#pragma once

#include "espalier/study/study.h"

#include <mutex>

namespace espalier {

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

}  // namespace espalier
