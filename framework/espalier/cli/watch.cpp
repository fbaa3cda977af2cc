#include "espalier/cli/watch.h"

#include "espalier/cli/terminal.h"
#include "espalier/cli/trial_table.h"
#include "espalier/pipeline/names.h"
#include "espalier/store/best.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace espalier::cli {

namespace {

constexpr size_t kFewSettings = 6;
constexpr size_t kCurveWidth = 24;
constexpr double kRedrawSeconds = 0.5;

/// The value of the objective in an epoch, whether or not the node's name stands before it.
std::optional<double> objective_value(const Metrics& metrics, const std::string& metric) {
  for (const std::string& name : {metric, metric.substr(metric.rfind('.') + 1)})
    if (const auto found = metrics.find(name); found != metrics.end()) return found->second;
  return std::nullopt;
}

std::vector<std::string> describe(const Metrics& metrics) {
  std::vector<std::string> words;
  for (const auto& [name, value] : metrics)
    if (name != "seconds" && name != "learning_rate") words.push_back(fmt::format("{} {}", name, format_score(value)));
  return words;
}

/// False of a branch that begins: it has epochs, but they are those of another trial.
bool goes_on(const TrialRecord& trial) { return trial.epochs > 0.0 && trial.attempts > 1; }

/// Why these settings, and why now and how far.
std::string why(const TrialRecord& trial) {
  const std::string far = trial.until > 0.0 ? "until " + counted_epochs(trial.until) : "to its end";
  const std::string now = trial.decided.empty() ? far : fmt::format("{} ({})", far, trial.decided);
  return goes_on(trial) ? now : trial.reason + "; " + now;
}

}  // namespace

std::vector<std::string> settings_in_short(const Space& space, const Settings& settings) {
  std::vector<std::string> names;
  for (const Axis& axis : space.axes) names.push_back(axis.name);
  const std::map<std::string, std::string> shortened = short_names(names);
  const Settings first = first_settings(space);
  std::vector<std::string> words;
  for (const std::string& name : names) {
    const auto value = settings.find(name);
    if (value == settings.end()) continue;
    const auto usual = first.find(name);
    if (names.size() > kFewSettings && usual != first.end() && usual->second == value->second) continue;
    words.push_back(shortened.at(name) + "=" + format_value(value->second));
  }
  return words;
}

Watch::Watch(const Pipeline& pipeline)
    : objective_(pipeline.search.objective()), others_(pipeline.search.objectives.begin() + 1, pipeline.search.objectives.end()),
      space_(pipeline.space), trial_seconds_(pipeline.search.trial_seconds()), live_(is_terminal(stderr)) {}

Watch::~Watch() { draw({}); }

void Watch::draw(const std::vector<std::string>& lines) {
  std::string out;
  if (drawn_ > 1) out += fmt::format("\033[{}A", drawn_ - 1);
  if (drawn_ > 0) out += "\r\033[J";
  // One column is left free: a full line would wrap and could not be drawn again.
  const int width = std::max(1, terminal_width(stderr) - 1);
  for (size_t i = 0; i < lines.size(); ++i) out += (i == 0 ? "" : "\n") + shorten(lines[i], width);
  std::fputs(out.c_str(), stderr);
  std::fflush(stderr);
  drawn_ = lines.size();
  drawn_at_ = Clock::now();
}

void Watch::say(const std::string& line) {
  draw({});
  std::fprintf(stderr, "%s\n", line.c_str());
}

void Watch::say_words(const std::string& lead, const std::vector<std::string>& words) {
  const int width = terminal_width(stderr);
  std::string line = lead;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0 && display_width(line) + 2 + display_width(words[i]) > width) {
      say(line);
      line = "   ";
    }
    line += (i == 0 ? " " : "  ") + words[i];
  }
  say(line);
}

double Watch::elapsed() const { return spent_before_ + seconds_since(begin_); }

/// Until the budget is spent: by time exactly, by trials as a range of one deviation to both sides.
std::string Watch::remaining() const {
  const double by_time = trial_seconds_ > 0.0 ? std::max(0.0, trial_seconds_ - elapsed()) : INFINITY;
  const auto begun = static_cast<double>(seconds_.size());
  const double left = static_cast<double>(planned_) - begun;
  if (planned_ == 0 || begun < 1.0 || left < 0.0) return std::isfinite(by_time) ? "  ETA " + format_seconds(std::round(by_time)) : "";
  double sum = 0.0, squares = 0.0;
  for (const auto& [number, seconds] : seconds_) sum += seconds, squares += seconds * seconds;
  const double mean = sum / begun;
  const double spread = begun > 1.0 ? std::sqrt(left * std::max(0.0, squares / begun - mean * mean)) : 0.0;
  const auto shown = [&](double seconds) { return format_seconds(std::round(std::clamp(seconds, 0.0, by_time))); };
  const std::string least = shown(mean * left - spread), most = shown(mean * left + spread);
  return "  ETA " + (least == most ? least : least + " to " + most);
}

void Watch::on_history(const std::vector<TrialRecord>& trials, double spent_seconds) {
  best_ = best_trial(trials, objective_.maximize);
  spent_before_ = spent_seconds;
  begin_ = Clock::now();
  for (const TrialRecord& trial : trials)
    if (trial.state != TrialState::queued && trial.state != TrialState::running) seconds_[trial.number] = trial.seconds;
}

void Watch::on_data(const Preparation& preparation) {
  say(fmt::format("data: {} {}{}", preparation.built ? "prepared in" : "found in", format_seconds(preparation.seconds),
                  !preparation.reason.empty() ? " (" + preparation.reason + ")" : ""));
  if (!preparation.left_out.is_array()) return;
  for (const Json& entry : preparation.left_out)
    say(fmt::format("data: left out {} for: {}", entry.value("count", Json(0)).dump(), entry.value("cause", "")));
}

void Watch::on_progress(const std::string& what, double fraction) {
  if (live_) {
    draw({fmt::format("{} {:3.0f} %", what, fraction * 100.0)});
  } else if (what != progress_) {
    progress_ = what;
    say(what);
  }
}

/// Trials are called by their numbers, which begin at 0; how many there will be stands beside it, unless it was added to those.
std::string Watch::title(const TrialRecord& trial) const {
  return planned_ > trial.number ? fmt::format("trial {} ({} of {})", trial.number, trial.number + 1, planned_)
                      : fmt::format("trial {}", trial.number);
}

std::string Watch::status() const {
  std::string line = fmt::format("  {}{}", format_seconds(std::floor(elapsed())), remaining());
  if (best_ && best_->objective)
    line += fmt::format("  best so far {} (trial {})  {}", format_score(*best_->objective), best_->number, sparkline(incumbents_, kCurveWidth));
  return line;
}

void Watch::draw_running() {
  std::vector<std::string> lines;
  for (const auto& [number, running] : running_) {
    const TrialRecord& trial = running.trial;
    lines.push_back(title(trial) + (trial.part.empty() ? "" : ", " + trial.part) + ": " + join(settings_in_short(space_, trial.settings), "  "));
    lines.push_back("  " + why(trial));
    if (!running.epoch.empty()) lines.push_back("  " + running.epoch + "  " + sparkline(running.curve, kCurveWidth));
  }
  if (!lines.empty()) lines.push_back(status());
  draw(lines);
}

/// A new trial with its settings, also if it branches off another one; one that goes on with how far.
void Watch::say_start(const TrialRecord& trial) {
  if (goes_on(trial))
    return say(fmt::format("{} goes on after {}: {}", title(trial), counted_epochs(trial.epochs), why(trial)));
  std::vector<std::string> words = settings_in_short(space_, trial.settings);
  if (words.empty()) words.emplace_back(space_.axes.empty() ? "nothing is searched" : "every setting at its default");
  say_words(title(trial) + ":", words);
  if (!space_.axes.empty()) say("  " + why(trial));
}

void Watch::on_trial_start(const TrialRecord& trial, int64_t planned) {
  planned_ = planned;
  running_[trial.number] = {.trial = trial};
  if (live_) draw_running();
  else say_start(trial);
}

void Watch::on_part_start(const TrialRecord& part) {
  running_[part.number] = {.trial = part};
  if (live_) return draw_running();
  say(fmt::format("  {}{}:", part.part, part.epochs > 0 ? fmt::format(", after {}", counted_epochs(part.epochs)) : ""));
}

void Watch::on_epoch(const TrialRecord& trial, const EpochRecord& epoch) {
  Running& running = running_[trial.number];
  const auto value = objective_value(epoch.metrics, objective_.metric);
  if (value) running.curve.push_back(*value);
  if (!live_) {
    const std::string whose = running_.size() > 1 ? fmt::format("trial {}, ", trial.number) : "";
    return say_words(fmt::format("  {}epoch {}:", whose, epoch.epoch), describe(epoch.metrics));
  }
  running.epoch = fmt::format("epoch {}", epoch.epoch) + (value ? fmt::format("  {} {}", objective_.metric, format_score(*value)) : "");
  draw_running();
}

void Watch::on_pulse() {
  if (live_ && seconds_since(drawn_at_) > kRedrawSeconds) draw_running();
}

void Watch::on_trial_end(const TrialRecord& trial) {
  running_.erase(trial.number);
  if (trial.state == TrialState::queued || trial.state == TrialState::running)
    return say(fmt::format("trial {} stopped after {}", trial.number, counted_epochs(trial.epochs)));
  seconds_[trial.number] = trial.seconds;
  const bool better = trial.objective && (!best_ || is_better(trial, *best_, objective_.maximize));
  if (better) best_ = trial;
  if (best_ && best_->objective) incumbents_.push_back(*best_->objective);
  std::string result = trial.objective ? fmt::format("{} {}", objective_.metric, score_in_short(trial)) : to_string(trial.state);
  if (const std::string interval = interval_in_short(trial); !interval.empty()) result += fmt::format(" (95 %: {})", interval);
  for (const Objective& other : others_)
    if (const auto score = trial.scores.find(other.metric); score != trial.scores.end())
      result += fmt::format(", {} {}", other.metric, format_number(score->second));
  if (better) result += ", the best so far";
  if (!trial.cause.empty()) result += ": " + trial.cause;
  say(fmt::format("trial {} {} after {}, {}: {}", trial.number, trial.state == TrialState::paused ? "pauses" : "ended", counted_epochs(trial.epochs),
                  format_seconds(trial.seconds), result));
  if (!trial.message.empty()) say("  " + trial.message);
}

void Watch::on_note(const std::string& note) { say("note: " + note); }

}  // namespace espalier::cli
