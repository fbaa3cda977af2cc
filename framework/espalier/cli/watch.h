#pragma once

#include "espalier/study/clock.h"
#include "espalier/study/study.h"

#include <map>
#include <string>
#include <vector>

namespace espalier::cli {

/// Shows a running study on standard error: a few lines that are drawn again on a terminal, plain lines elsewhere.
class Watch : public Observer {
 public:
  explicit Watch(const Pipeline& pipeline);
  ~Watch() override;

  void on_history(const std::vector<TrialRecord>& trials, double spent_seconds) override;
  void on_data(const Preparation& preparation) override;
  void on_progress(const std::string& what, double fraction) override;
  void on_trial_start(const TrialRecord& trial, int64_t planned) override;
  void on_part_start(const TrialRecord& part) override;
  void on_epoch(const TrialRecord& trial, const EpochRecord& epoch) override;
  void on_pulse() override;
  void on_trial_end(const TrialRecord& trial) override;
  void on_note(const std::string& note) override;

 private:
  /// A trial that is being trained.
  struct Running {
    TrialRecord trial;
    std::string epoch = {};                ///< the last one, as it is shown
    std::vector<double> curve = {};
  };

  /// Replaces the lines drawn last by these.
  void draw(const std::vector<std::string>& lines);
  void draw_running();
  void say(const std::string& line);
  /// As `say`, with further lines indented where it is wider than the terminal.
  void say_words(const std::string& lead, const std::vector<std::string>& words);
  void say_start(const TrialRecord& trial);
  std::string title(const TrialRecord& trial) const;
  std::string status() const;
  std::string remaining() const;
  double elapsed() const;                  ///< of the study, interruptions left out

  Objective objective_;
  std::vector<Objective> others_;          ///< of the trial they are told, and decide nothing here
  Space space_;
  double trial_seconds_;
  bool live_;
  size_t drawn_ = 0;                       ///< lines on the screen that are drawn again
  int64_t planned_ = 0;
  std::map<int64_t, double> seconds_;      ///< of each trial that has ended or paused
  std::optional<TrialRecord> best_;
  std::vector<double> incumbents_;         ///< the best objective after each trial that ended or paused
  std::map<int64_t, Running> running_;     ///< by number
  std::string progress_;                   ///< what was said last on plain output
  double spent_before_ = 0.0;
  Clock::time_point begin_ = Clock::now();
  Clock::time_point drawn_at_ = {};
};

/// What tells a trial's settings apart: all of them where they are few, else those that differ from the first
/// configuration; names as short as they can be. Empty: it is the first configuration.
std::vector<std::string> settings_in_short(const Space& space, const Settings& settings);

}  // namespace espalier::cli
