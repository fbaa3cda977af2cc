#include "espalier/cli/trial.h"

#include "espalier/cli/chart.h"
#include "espalier/cli/trial_table.h"
#include "espalier/store/best.h"
#include "espalier/study/process.h"
#include "espalier/study/training.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

constexpr int kChartHeight = 8;
constexpr int kChartWidth = 72;
constexpr size_t kSparkline = 60;

/// The training that speaks for a trial's end: the part that failed, or the trial itself.
TrialRecord failed_training(const Store& store, const TrialRecord& trial) {
  for (const TrialRecord& part : store.parts(trial.number))
    if (part.state == TrialState::failed) return part;
  return trial;
}

/// Log of a training's last attempt, below the study's folder.
std::string log_of(const TrialRecord& training) {
  return fmt::format("{}/attempts/{}/log.txt", training_folder(training.number, training.part), training.attempts);
}

/// The last lines of what the trainer of a failed trial said; "" if it said nothing.
std::string log_tail(const Opened& study, const TrialRecord& trial) {
  constexpr int64_t kBytes = 2000;
  constexpr int64_t kLines = 12;
  std::error_code error;
  const fs::path file = study.place.folder / log_of(failed_training(*study.store, trial));
  if (!fs::exists(file, error)) return "";
  const std::string text = tail(file, kBytes);
  size_t begin = text.size();
  for (int64_t line = 0; line <= kLines && begin != std::string::npos && begin > 0; ++line) begin = text.rfind('\n', begin - 1);
  return begin == std::string::npos || begin == 0 ? text : text.substr(begin + 1);
}

Json epochs_of(const Store& store, int64_t number, const std::string& part = "") {
  Json out = Json::array();
  for (const EpochRecord& epoch : store.epochs(number, part)) out.push_back({{"epoch", epoch.epoch}, {"metrics", epoch.metrics}});
  return out;
}

Json parts_of(const Store& store, int64_t number) {
  Json out = Json::array();
  for (const TrialRecord& part : store.parts(number)) {
    out.push_back(to_json(part));
    out.back()["part"] = part.part;
    out.back()["curve"] = epochs_of(store, number, part.part);
  }
  return out;
}

/// The best trial of those that were decided before this one.
std::optional<TrialRecord> best_before(const Opened& study, const TrialRecord& trial) {
  std::vector<TrialRecord> before = study.store->trials();
  std::erase_if(before, [&](const TrialRecord& other) { return other.number >= trial.number || !other.objective; });
  return best_trial(before, study.objective().maximize);
}

std::vector<Decision> decisions_of(const Store& store, int64_t trial) {
  std::vector<Decision> out = store.decisions();
  std::erase_if(out, [&](const Decision& decision) { return decision.trial != trial; });
  return out;
}

/// The metric that is searched for, of the trial or of the first training that it consists of.
std::vector<std::pair<double, double>> curve_of(const Opened& study, const TrialRecord& trial) {
  std::vector<EpochRecord> epochs = study.store->epochs(trial.number);
  if (const auto parts = study.store->parts(trial.number); epochs.empty() && !parts.empty())
    epochs = study.store->epochs(trial.number, parts.front().part);
  std::vector<std::pair<double, double>> curve;
  for (const EpochRecord& epoch : epochs)
    if (const auto found = epoch.metrics.find(study.objective().metric); found != epoch.metrics.end())
      curve.emplace_back(static_cast<double>(epoch.epoch), found->second);
  return curve;
}

Json document_of(const Opened& study, const TrialRecord& trial) {
  Json out = to_json(trial);
  out["study"] = study.place.folder.string();
  out["curve"] = epochs_of(*study.store, trial.number);
  out["parts"] = parts_of(*study.store, trial.number);
  out["log"] = (study.place.folder / log_of(failed_training(*study.store, trial))).string();
  out["searched"] = searched_values(study.store->info("identity").value_or(Json()));
  const auto before = best_before(study, trial);
  out["best_before"] = before ? Json(before->number) : Json();
  out["tries"] = Json::array();
  for (const AttemptRecord& one : study.store->attempts(trial.number))
    out["tries"].push_back({{"part", one.part}, {"token", one.token}, {"worker", one.owner}, {"started", one.started},
                            {"ended", one.ended}, {"outcome", one.outcome}});
  out["decisions"] = Json::array();
  for (const Decision& one : decisions_of(*study.store, trial.number))
    out["decisions"].push_back({{"number", one.number}, {"until", one.until}, {"reason", one.reason}, {"epochs", one.epochs},
                                {"state", to_string(one.state)}, {"objective", one.objective ? Json(*one.objective) : Json()}});
  return out;
}

void print_table(const Table& table) {
  if (!table.rows.empty()) fmt::print("\n{}", render(table, terminal_width(stdout)));
}

void print_settings(const Opened& study, const TrialRecord& trial) {
  const auto before = best_before(study, trial);
  const auto searched = searched_values(study.store->info("identity").value_or(Json()));
  Table table{.headers = {"setting", "value"}};
  if (before) table.headers.push_back(fmt::format("best before ({})", before->number));
  if (!searched.empty()) table.headers.emplace_back("searched in");
  for (const auto& [name, value] : trial.settings) {
    std::vector<std::string> row = {name, format_value(value)};
    if (before) row.push_back(before->settings.contains(name) ? format_value(before->settings.at(name)) : "-");
    if (!searched.empty()) row.push_back(searched.contains(name) ? searched.at(name) : "-");
    table.rows.push_back(std::move(row));
  }
  print_table(table);
}

void print_parts(const Opened& study, int64_t number) {
  Table table{.headers = {"part", "epochs", study.objective().metric, "seconds", "attempts", "state"}};
  for (const TrialRecord& part : study.store->parts(number))
    table.rows.push_back({part.part, format_number(part.epochs), part.objective ? format_score(*part.objective) : "-",
                          fmt::format("{:.1f}", part.seconds), std::to_string(part.attempts), to_string(part.state)});
  print_table(table);
}

void print_curve(const Opened& study, const TrialRecord& trial) {
  const auto curve = curve_of(study, trial);
  if (curve.empty()) return;
  const std::string& metric = study.objective().metric;
  if (is_terminal(stdout))
    if (const std::string chart = line_chart(curve, std::min(kChartWidth, terminal_width(stdout)), kChartHeight); !chart.empty()) {
      fmt::print("\n{} by epoch\n{}", metric, chart);
      return;
    }
  std::vector<double> values;
  for (const auto& [epoch, value] : curve) values.push_back(value);
  fmt::print("{}: {}  last {:.4f}\n", metric, sparkline(values, kSparkline), values.back());
}

/// What the scheduler decided about it; nothing where it was trained to its end at once.
void print_decisions(const Opened& study, int64_t number) {
  Table table{.headers = {"until", "why then", "came to", study.objective().metric, "and"}};
  const std::vector<Decision> decisions = decisions_of(*study.store, number);
  if (decisions.size() < 2 && std::ranges::all_of(decisions, [](const Decision& one) { return one.until == 0.0; })) return;
  for (const Decision& one : decisions)
    table.rows.push_back({one.until > 0.0 ? format_number(one.until) : "its end", one.reason, format_number(one.epochs),
                          one.objective ? format_score(*one.objective) : "-", to_string(one.state)});
  print_table(table);
}

void print_attempts(const Opened& study, int64_t number) {
  Table table{.headers = {"attempt", "worker", "began", "took", "outcome"}};
  for (const AttemptRecord& one : study.store->attempts(number)) {
    const double took = seconds_between(one.started, one.ended);
    table.rows.push_back({one.part.empty() ? std::to_string(one.token) : fmt::format("{}, {}", one.part, one.token), one.owner, one.started,
                          took < 0.0 ? "-" : fmt::format("{:.0f}s", took), one.outcome.empty() ? "runs" : one.outcome});
  }
  print_table(table);
}

}  // namespace

std::map<std::string, std::string> searched_values(const Json& resolved) {
  std::map<std::string, std::string> out;
  const auto described = [](const Json& tune) {
    std::vector<std::string> words;
    if (tune.is_array())
      for (const Json& value : tune) words.push_back(format_value(value));
    else if (!tune.contains("from"))
      for (const auto& [name, below] : tune.items()) words.push_back(name);
    else
      return fmt::format("{} to {}{}{}", format_value(tune.at("from")), format_value(tune.at("to")), tune.value("log", false) ? ", log" : "",
                         tune.contains("step") ? ", step " + format_value(tune.at("step")) : "");
    return join(words);
  };
  const std::function<void(const Json&, const std::string&)> visit = [&](const Json& value, const std::string& path) {
    if (!value.is_structured()) return;
    const bool is_searched = value.is_object() && value.contains("tune");
    if (is_searched) out[path] = described(value.at("tune"));
    const Json& below = is_searched ? value.at("tune") : value;
    if (below.is_array())
      for (size_t i = 0; i < below.size(); ++i) visit(below[i], path + "." + std::to_string(i));
    else
      for (const auto& [key, one] : below.items()) visit(one, path.empty() || path == "graph" ? key : path + "." + key);
  };
  visit(resolved, "");
  return out;
}

double seconds_between(const std::string& started, const std::string& ended) {
  const auto read = [](const std::string& text) -> std::time_t {
    std::tm parts{};
    return strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts) == nullptr ? -1 : timegm(&parts);
  };
  const std::time_t from = read(started);
  const std::time_t to = read(ended);
  return from < 0 || to < 0 ? -1.0 : std::difftime(to, from);
}

void show_trial(const Call& call, const Opened& study, const TrialRecord& trial) {
  if (call.json()) return print_json(document_of(study, trial));
  fmt::print("trial {} of {}: {}\n", trial.number, study.place.folder.string(), to_string(trial.state));
  if (!trial.cause.empty()) fmt::print("cause: {}: {}\n", trial.cause, trial.message);
  if (!trial.reason.empty()) fmt::print("proposed because: {}\n", trial.reason);
  print_settings(study, trial);
  Table scores{.headers = {"score", "value"}};
  for (const auto& [name, value] : trial.scores) scores.rows.push_back({name, format_number(value)});
  print_table(scores);
  if (const std::string interval = interval_in_short(trial); !interval.empty())
    fmt::print("\n{}: mean {}, 95 % confidence interval {} (Student's t)\n", study.objective().metric, score_in_short(trial), interval);
  print_parts(study, trial.number);
  fmt::print("\nepochs: {}  seconds: {:.1f}  attempts: {}\n", format_number(trial.epochs), trial.seconds, trial.attempts);
  print_curve(study, trial);
  print_decisions(study, trial.number);
  print_attempts(study, trial.number);
  if (trial.state == TrialState::failed)
    if (const std::string log = log_tail(study, trial); !log.empty())
      fmt::print("\n{} ends with:\n{}{}", log_of(failed_training(*study.store, trial)), log, log.ends_with('\n') ? "" : "\n");
}

}  // namespace espalier::cli
