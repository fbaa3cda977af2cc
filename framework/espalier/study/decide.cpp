#include "espalier/study/decide.h"

#include "espalier/error.h"
#include "espalier/random.h"
#include "espalier/study/study.h"

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

}  // namespace

std::optional<Proposal> next_proposal(const Pipeline& pipeline, const Registry& registry,
                                      const std::vector<TrialRecord>& trials,
                                      const std::function<void(const std::string&)>& on_note) {
  std::set<std::string> tried;
  for (const TrialRecord& trial : trials) tried.insert(canonical_key(trial.settings));
  std::map<std::string, bool> judged;
  const Feasible feasible = [&](const Settings& settings) {
    const auto [entry, is_new] = judged.try_emplace(canonical_key(settings), false);
    if (!is_new) return entry->second;
    try {
      entry->second = is_feasible(pipeline, settings, registry);
    } catch (const Error& error) {
      // A network that cannot be built is redrawn like one that breaks a constraint.
      on_note(fmt::format("left out {}: {}", entry->first, error.problems().front().message));
    }
    return entry->second;
  };

  for (const Proposal& proposal : given_proposals(pipeline))
    if (!tried.contains(canonical_key(proposal.settings)) && feasible(proposal.settings)) return proposal;
  if (pipeline.space.axes.empty()) return std::nullopt;

  constexpr int kMostRedraws = 100;
  Random random(derive_seed(derive_seed(pipeline.seed, "tuner"), static_cast<uint64_t>(trials.size())));
  const TunerType& tuner = registry.tuner(pipeline.search.tuner);
  const History seen = history(trials, pipeline.search.objective);
  for (int redraw = 0; redraw < kMostRedraws; ++redraw) {
    std::optional<Proposal> proposal = tuner.propose(pipeline.search.tuner_settings, pipeline.space, seen, random, feasible);
    if (!proposal) return std::nullopt;
    // Whatever the tuner names: what is inactive does not tell two configurations apart.
    proposal->settings = complete(pipeline.space, proposal->settings, [](const Axis& axis) { return axis.first; });
    if (!tried.contains(canonical_key(proposal->settings)) && feasible(proposal->settings)) return proposal;
  }
  on_note(fmt::format("tuner '{}' found nothing new in {} draws", pipeline.search.tuner, kMostRedraws));
  return std::nullopt;
}

int64_t planned_trials(const Pipeline& pipeline) {
  const double size = pipeline.space.axes.empty() ? 1.0 : pipeline.space.size();
  const double budget = pipeline.search.budget_trials > 0 ? static_cast<double>(pipeline.search.budget_trials) : INFINITY;
  const double planned = std::min(size, budget);
  return std::isfinite(planned) ? static_cast<int64_t>(planned) : 0;
}

}  // namespace espalier
