#include "espalier/testing/checks.h"

#include "espalier/testing/covering.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier {

namespace {

/// Ten configurations: two families with a setting each, and a width.
Space small_space() {
  return {{{.name = "block", .choices = {"a", "b"}, .first = "a"},
           {.name = "block.a.depth", .from = 1, .to = 3, .integer = true, .first = 2, .parent = "block", .parent_values = {"a"}},
           {.name = "block.b.rate", .choices = {0.1, 0.2}, .ordered = true, .first = 0.1, .parent = "block", .parent_values = {"b"}},
           {.name = "width", .choices = {16, 32}, .ordered = true, .first = 16}}};
}

/// What is wrong with proposed settings, or "".
std::string why_not_valid(const Space& space, const Settings& settings) {
  std::string absent;
  const Settings canonical = complete(space, settings, [&](const Axis& axis) {
    absent = axis.name;
    return axis.first;
  });
  if (!absent.empty()) return fmt::format("leaves out '{}', which is active", absent);
  if (canonical != settings) return "holds settings that are not active: " + canonical_key(settings);
  for (const Axis& axis : space.axes) {
    const auto value = settings.find(axis.name);
    const std::vector<Json> legal = values(axis);
    if (value != settings.end() && std::ranges::find(legal, value->second) == legal.end())
      return fmt::format("sets '{}' to {}, which is not in its domain", axis.name, value->second.dump());
  }
  return "";
}

/// A made-up objective, the same for the same settings.
double objective(const Settings& settings) {
  Random random(derive_seed(1, canonical_key(settings)));
  return random.uniform();
}

/// Follows a tuner until it has nothing left; a sentence if it breaks a law.
std::string follow(const TunerType& tuner, const Json& given, const Feasible& feasible) {
  constexpr int64_t kMost = 300;  // thirty times the size of the space
  const Space space = small_space();
  History history;
  for (int64_t number = 0; number < kMost; ++number) {
    Random first(derive_seed(1, static_cast<uint64_t>(number)));
    Random second = first;
    const auto proposal = tuner.propose(given, space, history, first, feasible);
    const auto again = tuner.propose(given, space, history, second, feasible);
    if (proposal.has_value() != again.has_value() || (proposal && proposal->settings != again->settings))
      return "proposes something else for the same space, history and random";
    if (!proposal) return number == 0 ? "proposes nothing" : "";
    if (const std::string why = why_not_valid(space, proposal->settings); !why.empty()) return why;
    if (!feasible(proposal->settings)) return "proposes what is not feasible: " + canonical_key(proposal->settings);
    history.push_back({.number = number, .settings = proposal->settings, .state = TrialState::complete,
                       .objective = objective(proposal->settings), .fidelity = 1.0, .cost = 1.0});
  }
  return fmt::format("proposed {} trials of a space of {} and did not end", kMost, space.size());
}

std::string follow(const SchedulerType& scheduler, const Json& given) {
  constexpr int kSteps = 200;
  constexpr double kFull = 27.0;  // epochs
  History history;
  for (int step = 0; step < kSteps; ++step) {
    Random first(derive_seed(1, static_cast<uint64_t>(step)));
    Random second = first;
    const Step next = scheduler.next(given, kFull, history, first);
    const Step again = scheduler.next(given, kFull, history, second);
    if (next.kind != again.kind || next.trial != again.trial || next.until != again.until)
      return "decides otherwise for the same history and random";
    if (next.until < 0.0 || next.until > kFull) return fmt::format("stops a trial at {} epochs of {}", next.until, kFull);
    if (next.kind == Step::Kind::finished) return "";
    if (next.kind == Step::Kind::wait) return "waits though nothing runs";
    if (next.kind == Step::Kind::start) {
      const int64_t number = std::ssize(history);
      history.push_back({.number = number, .settings = {{"width", number}}});
    } else if (next.trial < 0 || next.trial >= std::ssize(history) ||
               history[static_cast<size_t>(next.trial)].state != TrialState::paused) {
      return fmt::format("goes on from trial {}, which is not paused", next.trial);
    } else if (next.kind == Step::Kind::branch) {
      const Result& from = history[static_cast<size_t>(next.trial)];
      history.push_back({.number = std::ssize(history), .settings = from.settings, .fidelity = from.fidelity, .begun = from.fidelity});
    }
    Result& result = next.kind == Step::Kind::resume ? history[static_cast<size_t>(next.trial)] : history.back();
    const double until = next.until > 0.0 ? next.until : kFull;
    if (until <= result.fidelity) return fmt::format("resumes a trial of {} epochs until {}", result.fidelity, until);
    for (double epoch = result.fidelity + 1.0; epoch <= until; ++epoch)
      result.curve.push_back({.fidelity = epoch, .objective = objective(result.settings) + 1.0 / epoch});
    result.state = until < kFull ? TrialState::paused : TrialState::complete;
    result.fidelity = until;
    result.objective = result.curve.back().objective;
  }
  return "";
}

}  // namespace

std::vector<std::string> check_tuner(const TunerType& tuner) {
  std::vector<std::string> wrong;
  const Json given = default_settings(tuner.declaration);
  const Feasible anything = [](const Settings&) { return true; };
  const Feasible wide_only = [](const Settings& settings) { return settings.contains("width") && settings.at("width") == 32; };
  for (const Feasible& feasible : {anything, wide_only}) {
    try {
      if (const std::string why = follow(tuner, given, feasible); !why.empty()) wrong.push_back(fmt::format("tuner '{}' {}", tuner.name, why));
    } catch (const std::exception& error) {
      wrong.push_back(fmt::format("tuner '{}' threw: {}", tuner.name, error.what()));
    }
  }
  return wrong;
}

std::vector<std::string> check_scheduler(const SchedulerType& scheduler) {
  try {
    const std::string why = follow(scheduler, default_settings(scheduler.declaration));
    return why.empty() ? std::vector<std::string>{} : std::vector<std::string>{fmt::format("scheduler '{}' {}", scheduler.name, why)};
  } catch (const std::exception& error) {
    return {fmt::format("scheduler '{}' threw: {}", scheduler.name, error.what())};
  }
}

}  // namespace espalier
