#include "espalier/study/decide.h"

#include "espalier/error.h"
#include "espalier/pipeline/names.h"
#include "espalier/random.h"
#include "espalier/study/files.h"
#include "espalier/study/parts.h"
#include "espalier/study/weighing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace espalier {

namespace {

/// Configurations of the pipeline's own, in order, each once.
std::vector<Proposal> given_proposals(const Pipeline& pipeline) {
  const auto first = [](const Axis& axis) { return axis.first; };
  std::vector<Proposal> out;
  std::set<std::string> keys;
  const auto append = [&](const Settings& settings, const std::string& reason) {
    if (keys.insert(canonical_key(settings)).second) out.push_back({.settings = settings, .reason = reason});
  };
  for (const Settings& partial : pipeline.search.first) append(complete(pipeline.space, partial, first), "given under 'first'");
  append(first_settings(pipeline.space), "the first configuration");
  return out;
}

/// True if a trial that stands somewhere can go on with another value of this axis: a number that belongs to training and decides
/// neither how long that is nor which other settings there are.
bool may_change_on_the_way(const Space& space, const Axis& axis) {
  const bool is_number = axis.choices.empty() || axis.ordered;
  const bool is_of_training = axis.name.starts_with("train.") && axis.name != "train.epochs";
  return is_number && is_of_training && std::ranges::none_of(space.axes, [&](const Axis& other) { return other.parent == axis.name; });
}

/// A copy of where a trial stands, for the branch that will have this number: its own files go as that trial goes on.
std::string checkpoint_of_branch(const std::filesystem::path& folder, const TrialRecord& from, int64_t number) {
  require(!from.checkpoint.empty(), "E4010", fmt::format("trial {} left no checkpoint to go on from", from.number));
  const std::filesystem::path to = std::filesystem::path(trial_folder(number)) / "attempts/0" / std::filesystem::path(from.checkpoint).filename();
  std::filesystem::create_directories((folder / to).parent_path());
  copy_whole(folder / from.checkpoint, folder / to);
  return to.string();
}

/// A trial that goes on from where the one of `step` stands, with the settings that it asks for.
NewTrial branch_of(const Deciding& deciding, const Step& step, const Log& log, const Store& store) {
  const Space& space = deciding.pipeline.space;
  require(parts_of(deciding.pipeline).empty(), "E4010",
          fmt::format("scheduler '{}' branches off trials; those of folds or replicates have no single place to go on from",
                      deciding.pipeline.search.scheduler));
  const TrialRecord from = store.trial(step.trial).value();
  NewTrial out{.settings = from.settings, .reason = fmt::format("goes on from trial {} after {}", from.number, counted_epochs(from.epochs)),
               .document = {}, .checkpoint = checkpoint_of_branch(deciding.folder, from, log.trials()), .epochs = from.epochs};
  for (const Axis& axis : space.axes) {
    const auto wish = step.settings.find(axis.name);
    if (wish == step.settings.end() || !from.settings.contains(axis.name) || !wish->second.is_number() || !may_change_on_the_way(space, axis))
      continue;
    Json& value = out.settings[axis.name];
    const Json wished = nearest_value(axis, wish->second.get<double>());
    if (wished != value) out.reason += fmt::format(", {} {:.4g} instead of {:.4g}", axis.name, wished.get<double>(), value.get<double>());
    value = wished;
  }
  out.document = document_of(deciding, out.settings, log.trials());
  return out;
}

void require_paused(const Deciding& deciding, const Step& step, const History& history) {
  const bool is_paused = step.trial >= 0 && step.trial < std::ssize(history) && history[static_cast<size_t>(step.trial)].state == TrialState::paused;
  require(is_paused, "E4010",
          fmt::format("scheduler '{}' goes on from trial {}, which is not paused", deciding.pipeline.search.scheduler, step.trial));
}

/// Carries out what the scheduler said. `wait` if nothing can be done on what this decision sees.
Decided carry_out(const Deciding& deciding, const Step& step, const std::vector<History>& histories, const Log& log, Store& store) {
  const Search& search = deciding.pipeline.search;
  Decision decision{.number = log.decisions(), .until = step.until, .reason = step.reason, .seen = log.ended()};
  const auto begin = [&](const NewTrial& trial) {
    decision.begun = trial.epochs;
    store.decide(decision, &trial);
    return Decided::yes;
  };
  switch (step.kind) {
    case Step::Kind::finished: return Decided::finished;
    case Step::Kind::wait: return Decided::wait;
    case Step::Kind::resume:
      require_paused(deciding, step, histories.front());
      decision.trial = step.trial;
      decision.begun = histories.front()[static_cast<size_t>(step.trial)].fidelity;
      store.decide(decision, nullptr);
      return Decided::yes;
    case Step::Kind::branch:
      require_paused(deciding, step, histories.front());
      return begin(branch_of(deciding, step, log, store));
    case Step::Kind::start: break;
  }
  if (search.budget_trials > 0 && log.trials() >= search.budget_trials) return Decided::wait;
  const auto proposal = next_proposal(deciding, histories);
  if (!proposal) return Decided::wait;
  return begin({.settings = proposal->settings, .reason = proposal->reason, .document = document_of(deciding, proposal->settings, log.trials())});
}

}  // namespace

Json document_of(const Deciding& deciding, const Settings& settings, int64_t number) {
  Json document = trial_document(deciding.pipeline, settings, deciding.registry, deciding.data, deciding.folder.filename().string(), number);
  Json& train = document["train"];
  if (deciding.settled.threads > 0 && train.value("threads", 0) == 0) train["threads"] = deciding.settled.threads;
  if (train.value("precision", std::string("auto")) == "auto") train["precision"] = deciding.settled.precision;
  if (train.value("device", std::string("auto")) == "auto") train["device"] = deciding.settled.device;
  return document;
}

Decided decide_next(const Deciding& deciding, Log& log, Store& store) {
  const Pipeline& pipeline = deciding.pipeline;
  const Search& search = pipeline.search;
  const int64_t number = log.decisions();
  const int64_t horizon = search.reproducible ? number - search.lag + 1 : number;
  if (search.reproducible && !log.ended_before(horizon)) return Decided::wait;
  const auto ask = [&](const std::function<bool(const Decision&)>& sees) {
    const std::vector<History> histories = log.histories(search.objectives, sees);
    Random random(derive_seed(derive_seed(pipeline.seed, "scheduler"), static_cast<uint64_t>(number)));
    // Where nothing is searched there is no one to compare a trial with: it goes to its end at once.
    const bool is_alone = pipeline.space.axes.empty();
    // Of one objective nothing is to be sorted, and a long history not to be copied for each decision.
    const std::optional<History> sorted = histories.size() > 1 ? std::optional(sorted_by_fronts(histories)) : std::nullopt;
    const Step step = deciding.registry.scheduler(is_alone ? "none" : search.scheduler)
                          .next(is_alone ? Json::object() : search.scheduler_settings, full_epochs(pipeline), sorted ? *sorted : histories.front(), random);
    return carry_out(deciding, step, histories, log, store);
  };
  const Decided decided = ask([&](const Decision& decision) { return decision.number < horizon; });
  if (decided == Decided::yes) return decided;
  // What runs may change what there is to do; once all has ended, what can be seen is all there is.
  if (!log.ended_before(number)) return Decided::wait;
  if (horizon < number && ask([](const Decision&) { return true; }) == Decided::yes) return Decided::yes;
  return Decided::finished;
}

double full_epochs(const Pipeline& pipeline) {
  double most = 0.0;
  for (const Axis& axis : pipeline.space.axes) {
    if (axis.name != "train.epochs" && !axis.name.starts_with("train.epochs.")) continue;
    most = std::max(most, axis.to);
    for (const Json& choice : axis.choices)
      if (choice.is_number()) most = std::max(most, choice.get<double>());
  }
  if (most > 0.0) return most;
  const Json epochs = train_settings(pipeline, first_settings(pipeline.space)).value("epochs", Json(1.0));
  if (epochs.is_number()) return epochs.get<double>();
  const Json rule = epochs.is_object() && !epochs.empty() ? epochs.begin().value() : Json();
  return rule.is_object() ? rule.value("max", 1.0) : 1.0;
}

std::optional<Proposal> next_proposal(const Deciding& deciding, const std::vector<History>& histories) {
  const Pipeline& pipeline = deciding.pipeline;
  std::set<std::string> tried;
  for (const Result& result : histories.front()) tried.insert(canonical_key(result.settings));
  std::map<std::string, bool> judged;
  const auto keeps_constraints = [&](const Settings& settings) {
    const auto [entry, is_new] = judged.try_emplace(canonical_key(settings), false);
    if (!is_new) return entry->second;
    try {
      entry->second = is_feasible(pipeline, settings, deciding.registry, deciding.settled.predict);
    } catch (const Error& error) {
      // A network that cannot be built is redrawn like one that breaks a constraint.
      deciding.on_note(fmt::format("left out {}: {}", entry->first, error.problems().front().message));
    }
    return entry->second;
  };
  const Predict& predict = deciding.settled.predict;
  const auto seconds = [&](const Settings& settings) { return predicted_seconds(pipeline, settings, deciding.registry, predict); };
  const Feasible feasible(keeps_constraints, predict ? seconds : std::function<double(const Settings&)>());

  for (const Proposal& proposal : given_proposals(pipeline))
    if (!tried.contains(canonical_key(proposal.settings)) && feasible(proposal.settings)) return proposal;
  if (pipeline.space.axes.empty()) return std::nullopt;

  constexpr int kMostRedraws = 100;
  const Weighed weighed = weigh(histories, pipeline.search.objectives, pipeline.seed);
  Random random(derive_seed(derive_seed(pipeline.seed, "tuner"), weighed.history.size()));
  const TunerType& tuner = deciding.registry.tuner(pipeline.search.tuner);
  for (int redraw = 0; redraw < kMostRedraws; ++redraw) {
    std::optional<Proposal> proposal = tuner.propose(pipeline.search.tuner_settings, pipeline.space, weighed.history, random, feasible);
    if (!proposal) return std::nullopt;
    // Whatever the tuner names: what is inactive does not tell two configurations apart.
    proposal->settings = complete(pipeline.space, proposal->settings, [](const Axis& axis) { return axis.first; });
    proposal->reason += weighed.reason;
    if (!tried.contains(canonical_key(proposal->settings)) && feasible(proposal->settings)) return proposal;
  }
  deciding.on_note(fmt::format("tuner '{}' found nothing new in {} draws", pipeline.search.tuner, kMostRedraws));
  return std::nullopt;
}

int64_t planned_trials(const Pipeline& pipeline) {
  const double size = pipeline.space.axes.empty() ? 1.0 : pipeline.space.size();
  const double budget = pipeline.search.budget_trials > 0 ? static_cast<double>(pipeline.search.budget_trials) : INFINITY;
  const double planned = std::min(size, budget);
  return std::isfinite(planned) ? static_cast<int64_t>(planned) : 0;
}

}  // namespace espalier
