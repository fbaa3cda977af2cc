#include "evolution.h"

#include "../drawing.h"
#include "rows.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier::tuners {

namespace {

constexpr int kMostMutations = 100;

/// The best of a sample of the newest results.
const Observation& draw_parent(const EvolutionOptions& options, const Evidence& evidence, Random& random) {
  const auto alive = std::min<int64_t>(options.population, std::ssize(evidence.seen));
  const Observation* best = nullptr;
  for (int64_t i = 0; i < options.sample; ++i) {
    const Observation& drawn = evidence.seen[evidence.seen.size() - 1 - static_cast<size_t>(random.below(alive))];
    if (best == nullptr || drawn.objective < best->objective) best = &drawn;
  }
  return *best;
}

const Axis& draw_axis(const Space& space, const Settings& settings, Random& random) {
  std::vector<const Axis*> active;
  for (const Axis& axis : space.axes)
    if (settings.contains(axis.name)) active.push_back(&axis);
  return *active[static_cast<size_t>(random.below(std::ssize(active)))];
}

/// Another value, as far as the axis has one.
Json draw_other(const Axis& axis, const Json& value, Random& random) {
  constexpr int kMostRedraws = 20;
  Json out = draw(axis, random);
  for (int i = 0; i < kMostRedraws && out == value; ++i) out = draw(axis, random);
  return out;
}

}  // namespace

std::optional<Proposal> propose_evolution(const EvolutionOptions& options, const Space& space, const History& history,
                                          Random& random, const Feasible& feasible) {
  const Evidence evidence = evidence_of(history, static_cast<size_t>(options.population));
  const bool is_grown = std::ssize(evidence.seen) + std::ssize(evidence.pending) >= options.population && !evidence.seen.empty();
  if (is_grown) {
    const Encoding encoding(space);
    const Rows rows(encoding, evidence);
    for (int i = 0; i < kMostMutations; ++i) {
      const Observation& parent = draw_parent(options, evidence, random);
      const Axis& axis = draw_axis(space, *parent.settings, random);
      Settings kept = *parent.settings;
      kept[axis.name] = draw_other(axis, kept[axis.name], random);
      Settings settings = complete(space, kept, [&](const Axis& absent) { return draw(absent, random); });
      if (rows.contains(encoding.encode(settings)) || !feasible(settings)) continue;
      return Proposal{.settings = std::move(settings), .reason = fmt::format("mutated {} of trial {}", axis.name, parent.number)};
    }
  }
  const std::optional<Settings> anywhere = draw_new(space, history, random, feasible);
  if (!anywhere) return std::nullopt;
  return Proposal{.settings = *anywhere, .reason = is_grown ? "drawn at random: no mutation was new" : "drawn at random for the population"};
}

}  // namespace espalier::tuners
