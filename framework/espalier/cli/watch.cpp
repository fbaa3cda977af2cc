#include "espalier/cli/watch.h"

#include "espalier/cli/terminal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace espalier::cli {

namespace {

/// The value of the objective in an epoch, whether or not the node's name stands before it.
std::optional<double> objective_value(const Metrics& metrics, const std::string& metric) {
  for (const std::string& name : {metric, metric.substr(metric.rfind('.') + 1)})
    if (const auto found = metrics.find(name); found != metrics.end()) return found->second;
  return std::nullopt;
}

std::string describe(const Settings& settings) {
  std::vector<std::string> words;
  for (const auto& [name, value] : settings) words.push_back(name + "=" + format_value(value));
  return join(words, " ");
}

std::string describe(const Metrics& metrics) {
  std::vector<std::string> words;
  for (const auto& [name, value] : metrics)
    if (name != "seconds") words.push_back(fmt::format("{} {:.4f}", name, value));
  return join(words, "  ");
}

}  // namespace

Watch::Watch(const Pipeline& pipeline)
    : objective_(pipeline.search.objective), budget_seconds_(pipeline.search.budget_seconds), live_(is_terminal(stderr)) {}

Watch::~Watch() {
  if (drawn_) std::fputs("\r\033[K", stderr);
}

void Watch::draw(const std::string& line) {
  // One column is left free: a full line would wrap and could not be drawn again.
  const std::string fitted = shorten(line, terminal_width(stderr) - 1);
  std::fprintf(stderr, "\r\033[K%s", fitted.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void Watch::say(const std::string& line) {
  std::fprintf(stderr, "%s%s\n", drawn_ ? "\r\033[K" : "", line.c_str());
  drawn_ = false;
}

double Watch::elapsed() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
}

std::string Watch::remaining() const {
  double seconds = budget_seconds_ > 0.0 ? std::max(0.0, budget_seconds_ - elapsed()) : -1.0;
  if (ended_ > 0 && planned_ > 0) {
    const double by_trials = seconds_of_ended_ / static_cast<double>(ended_) * static_cast<double>(std::max<int64_t>(0, planned_ - ended_));
    seconds = seconds < 0.0 ? by_trials : std::min(seconds, by_trials);
  }
  return seconds < 0.0 ? "" : "  ETA " + format_seconds(seconds);
}

void Watch::on_data(const Preparation& preparation) {
  say(fmt::format("data: {} {}{}", preparation.built ? "prepared in" : "found in", format_seconds(preparation.seconds),
                  preparation.built && !preparation.reason.empty() ? " (" + preparation.reason + ")" : ""));
  if (!preparation.left_out.is_array()) return;
  for (const Json& entry : preparation.left_out)
    say(fmt::format("data: left out {} for: {}", entry.value("count", Json(0)).dump(), entry.value("cause", "")));
}

void Watch::on_progress(const std::string& what, double fraction) {
  if (live_) {
    draw(fmt::format("{} {:3.0f} %", what, fraction * 100.0));
  } else if (what != progress_) {
    progress_ = what;
    say(what);
  }
}

void Watch::on_trial_start(const TrialRecord& trial, int64_t planned) {
  planned_ = planned;
  curve_.clear();
  const std::string count = planned > 0 ? fmt::format("{} of {}", trial.number + 1, planned) : std::to_string(trial.number + 1);
  const std::string line = fmt::format("trial {}: {}", count, describe(trial.settings));
  if (live_)
    draw(line);
  else
    say(line);
}

void Watch::on_epoch(const TrialRecord& trial, const EpochRecord& epoch) {
  const auto value = objective_value(epoch.metrics, objective_.metric);
  if (value) curve_.push_back(*value);
  if (!live_) {
    say(fmt::format("  epoch {}: {}", epoch.epoch, describe(epoch.metrics)));
    return;
  }
  const std::string count = planned_ > 0 ? fmt::format("{} of {}", trial.number + 1, planned_) : std::to_string(trial.number + 1);
  draw(fmt::format("trial {}  epoch {}{}{}{}  {}", count, epoch.epoch,
                   value ? fmt::format("  {} {:.4f}", objective_.metric, *value) : "",
                   best_ ? fmt::format("  best {:.4f} (trial {})", *best_->objective, best_->number) : "", remaining(),
                   sparkline(curve_, 24)));
}

void Watch::on_trial_end(const TrialRecord& trial) {
  ++ended_;
  seconds_of_ended_ += trial.seconds;
  const bool better = trial.objective && (!best_ || (objective_.maximize ? *trial.objective > *best_->objective : *trial.objective < *best_->objective));
  if (better) best_ = trial;
  const std::string result = trial.objective ? fmt::format("{} {:.4f}{}", objective_.metric, *trial.objective, better ? ", the best so far" : "")
                                             : to_string(trial.state) + (trial.cause.empty() ? "" : ": " + trial.cause);
  say(fmt::format("trial {} ended after {} epochs, {}: {}", trial.number, format_number(trial.epochs),
                  format_seconds(trial.seconds), result));
  if (!trial.message.empty()) say("  " + trial.message);
}

void Watch::on_note(const std::string& note) { say("note: " + note); }

}  // namespace espalier::cli
