#include "espalier/store/rows.h"

#include "espalier/error.h"

#include <fmt/format.h>

#include <cmath>

namespace espalier {

namespace {

TrialState read_state(const std::string& word) {
  for (const TrialState state : {TrialState::queued, TrialState::running, TrialState::paused, TrialState::complete,
                                 TrialState::pruned, TrialState::failed, TrialState::preempted})
    if (to_string(state) == word) return state;
  fail("E3014", fmt::format("a trial has the unknown state '{}'", word));
}

}  // namespace

std::string to_column(const Metrics& metrics) {
  Json json = Json::object();
  for (const auto& [name, value] : metrics)
    if (std::isfinite(value)) json[name] = value;
  return json.dump();
}

Metrics read_metrics(const std::string& text) {
  Metrics metrics;
  const Json json = Json::parse(text);
  for (const auto& [name, value] : json.items())
    if (value.is_number()) metrics[name] = value.get<double>();
  return metrics;
}

const std::string& trial_columns() {
  static const std::string kText = fmt::format(
      "select number, settings, reason, state, cause, message, scores, objective, {}, seconds, checkpoint, started, ended, "
      "(select count(*) from attempt where attempt.trial = trial.number and attempt.part = trial.part), part, decision, until, "
      "(select d.reason from decision d where d.number = trial.decision) from trial ", kTrialEpochs);
  return kText;
}

TrialRecord read_trial(const Statement& row) {
  TrialRecord record{.number = row.integer(0), .settings = {}, .reason = row.text(2)};
  const Json settings = Json::parse(row.text(1));
  for (const auto& [name, value] : settings.items()) record.settings[name] = value;
  record.state = read_state(row.text(3));
  record.cause = row.text(4);
  record.message = row.text(5);
  record.scores = read_metrics(row.text(6));
  if (!row.is_null(7)) record.objective = row.number(7);
  record.epochs = row.number(8);
  record.seconds = row.number(9);
  record.checkpoint = row.text(10);
  record.started = row.text(11);
  record.ended = row.text(12);
  record.attempts = row.integer(13);
  record.part = row.text(14);
  record.decision = row.integer(15);
  record.until = row.number(16);
  record.decided = row.text(17);
  return record;
}

const std::string& decision_columns() {
  static const std::string kText = "select number, trial, until, reason, begun, seen, ended, state, epochs, cost, objective, scores from decision ";
  return kText;
}

Decision read_decision(const Statement& row) {
  Decision out{.number = row.integer(0),
               .trial = row.integer(1),
               .until = row.number(2),
               .reason = row.text(3),
               .begun = row.number(4),
               .seen = row.integer(5)};
  if (row.is_null(6)) return out;
  out.ended = row.integer(6);
  out.state = read_state(row.text(7));
  out.epochs = row.number(8);
  out.cost = row.number(9);
  if (!row.is_null(10)) out.objective = row.number(10);
  out.scores = read_metrics(row.text(11));
  return out;
}

}  // namespace espalier
