#pragma once

#include "espalier/study/study.h"

#include <chrono>
#include <string>
#include <vector>

namespace espalier::cli {

/// Shows a running study on standard error: one line that is drawn again on a terminal, plain lines elsewhere.
class Watch : public Observer {
 public:
  explicit Watch(const Pipeline& pipeline);
  ~Watch() override;

  void on_data(const Preparation& preparation) override;
  void on_progress(const std::string& what, double fraction) override;
  void on_trial_start(const TrialRecord& trial, int64_t planned) override;
  void on_epoch(const TrialRecord& trial, const EpochRecord& epoch) override;
  void on_trial_end(const TrialRecord& trial) override;
  void on_note(const std::string& note) override;

 private:
  void draw(const std::string& line);
  void say(const std::string& line);
  std::string remaining() const;
  double elapsed() const;

  Objective objective_;
  double budget_seconds_;
  bool live_;
  bool drawn_ = false;
  int64_t planned_ = 0;
  int64_t ended_ = 0;
  double seconds_of_ended_ = 0.0;
  std::optional<TrialRecord> best_;
  std::vector<double> curve_;
  std::string progress_;   ///< what was said last on plain output
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace espalier::cli
