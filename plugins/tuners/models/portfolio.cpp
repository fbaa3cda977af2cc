#include "portfolio.h"

#include "../drawing.h"
#include "../mutation.h"
#include "evidence.h"
#include "gp.h"
#include "local_search.h"
#include "tpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

namespace espalier::tuners {

namespace {

constexpr int64_t kMostDefaults = 10;      // of branches
constexpr int64_t kMostForProcess = 250;   // results, as Optuna's AutoSampler has it
constexpr int64_t kLate = 50;              // results after which a second opinion costs little
constexpr size_t kStaleResults = 10;
constexpr size_t kTurnsOfLeastTried = 4;

bool has_children(const Space& space, const Axis& axis) {
  return std::ranges::any_of(space.axes, [&](const Axis& other) { return other.parent == axis.name; });
}

/// Axes whose choice decides which others exist.
std::vector<const Axis*> branching(const Space& space) {
  std::vector<const Axis*> out;
  for (const Axis& axis : space.axes)
    if (!axis.choices.empty() && has_children(space, axis)) out.push_back(&axis);
  return out;
}

/// The defaults of every branch that was not tried.
std::optional<Proposal> propose_default(const Space& space, const History& history, const Feasible& feasible) {
  const std::set<std::string> tried = tried_keys(history);
  const auto first = [](const Axis& axis) { return axis.first; };
  const auto is_new = [&](const Settings& settings) { return !tried.contains(canonical_key(settings)) && feasible(settings); };
  if (const Settings settings = first_settings(space); history.empty() && is_new(settings))
    return Proposal{.settings = settings, .reason = "the first configuration"};
  if (std::ssize(history) >= kMostDefaults) return std::nullopt;
  for (const Axis* axis : branching(space))
    for (const Json& value : axis->choices) {
      const bool was_tried = std::ranges::any_of(history, [&](const Result& r) {
        const auto found = r.settings.find(axis->name);
        return found != r.settings.end() && found->second == value;
      });
      const Settings settings = complete(space, {{axis->name, value}}, first);
      if (!was_tried && settings.contains(axis->name) && is_new(settings))
        return Proposal{.settings = settings, .reason = fmt::format("the defaults of {}={}", axis->name, value.dump())};
    }
  return std::nullopt;
}

bool has_order(const Space& space) {
  return std::ranges::any_of(space.axes, [](const Axis& axis) { return axis.choices.empty() || axis.ordered; });
}

/// The space with one top-level choice held, and the results that have it.
struct Branch {
  Space space;
  History history;
  std::string name;
  double best = INFINITY;
  /// What it may reach if it gains once more what its later half of results has gained (as rising bandits bound an arm, Li et
  /// al. 2020).
  double hope = INFINITY;
};

double best_of(std::span<const Observation> seen) {
  double best = INFINITY;
  for (const Observation& observation : seen) best = std::min(best, observation.objective);
  return best;
}

Branch branch_of(const Space& space, const History& history, const Axis& axis, const Json& value) {
  Branch out{.space = space, .history = {}, .name = fmt::format("{}={}", axis.name, value.dump())};
  for (Axis& held : out.space.axes)
    if (held.name == axis.name) held.choices = {value}, held.first = value;
  std::ranges::copy_if(history, std::back_inserter(out.history), [&](const Result& result) {
    const auto found = result.settings.find(axis.name);
    return found != result.settings.end() && found->second == value;
  });
  const Evidence evidence = evidence_of(out.history, 1);
  const std::span<const Observation> seen = evidence.seen;
  out.best = best_of(seen);
  const double before = best_of(seen.first(seen.size() / 2));
  out.hope = std::isfinite(before) ? 2.0 * out.best - before : -INFINITY;
  return out;
}

/// Of the top-level branches, but for the one that holds the best result: by turns the least tried one and the most hopeful
/// one. Nothing: the space has no branches.
std::optional<Branch> challenger(const Space& space, const History& history) {
  std::vector<Branch> all;
  for (const Axis* axis : branching(space))
    if (axis->parent.empty())
      for (const Json& value : axis->choices) all.push_back(branch_of(space, history, *axis, value));
  if (all.size() < 2) return std::nullopt;
  all.erase(std::ranges::min_element(all, {}, &Branch::best));
  const bool counts = history.size() % kTurnsOfLeastTried == 0;
  return counts ? *std::ranges::min_element(all, {}, [](const Branch& branch) { return branch.history.size(); })
                : *std::ranges::min_element(all, {}, &Branch::hope);
}

/// True if the last results have not bettered the best one by a hundredth of what tells it from a usual one.
bool is_stale(const History& history) {
  const Evidence evidence = evidence_of(history, 1);
  const std::span<const Observation> seen = evidence.seen;
  if (seen.size() < 2 * kStaleResults) return false;
  std::vector<double> objectives;
  for (const Observation& observation : seen) objectives.push_back(observation.objective);
  const auto middle = objectives.begin() + std::ssize(objectives) / 2;
  std::ranges::nth_element(objectives, middle);
  const double best = best_of(seen);
  return best_of(seen.first(seen.size() - kStaleResults)) - best <= 0.01 * (*middle - best);
}

GpOptions process_options(const PortfolioOptions& options) { return {.startup = 0, .per_second = options.per_second}; }

std::optional<Proposal> propose_within(const PortfolioOptions& options, const Branch& branch, Random& random, const Feasible& feasible) {
  auto proposal = propose_gp(process_options(options), branch.space, branch.history, random, feasible);
  if (proposal) proposal->reason = "within " + branch.name + ": " + proposal->reason;
  return proposal;
}

/// One of the methods by turns.
std::optional<Proposal> propose_by_turn(const PortfolioOptions& options, const Space& space, const History& history, Random& random,
                                        const Feasible& feasible) {
  const auto turn = std::ssize(history);
  if (turn > kMostForProcess)
    return turn % 2 == 0 ? propose_tpe({}, space, history, random, feasible) : mutate_best(space, history, random, feasible);
  if (turn % 6 == 5 || (turn % 3 != 0 && is_stale(history)))
    if (const auto branch = challenger(space, history)) return propose_within(options, *branch, random, feasible);
  if (turn > kLate && turn % 4 == 0)
    return has_order(space) ? propose_tpe({}, space, history, random, feasible) : propose_local_search({}, space, history, random, feasible);
  return propose_gp(process_options(options), space, history, random, feasible);
}

}  // namespace

std::optional<Proposal> propose_portfolio(const PortfolioOptions& options, const Space& space, const History& history, Random& random,
                                          const Feasible& feasible) {
  if (auto proposal = propose_default(space, history, feasible)) return proposal;
  auto proposal = propose_by_turn(options, space, history, random, feasible);
  if (proposal) return proposal;
  // What one method has used up may be left to another.
  const std::optional<Settings> left = draw_new(space, history, random, feasible);
  if (!left) return std::nullopt;
  return Proposal{.settings = *left, .reason = "drawn at random"};
}

}  // namespace espalier::tuners
