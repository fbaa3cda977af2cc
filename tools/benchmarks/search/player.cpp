#include "player.h"

namespace espalier::bench {

Decider::Decider(const Task& task, const Player& player, uint64_t seed, bool tries_first)
    : task_(task), player_(player), seed_(seed), tries_first_(tries_first), space_(task.space) {
  Random random(derive_seed(seed, "first"));
  for (Axis& axis : space_.axes) axis.first = draw(axis, random);
  space_.seed = seed;
}

std::optional<Proposal> Decider::next(const History& history) {
  constexpr int kMostRedraws = 100;
  const Feasible feasible = [](const Settings&) { return true; };
  Random random(derive_seed(derive_seed(seed_, "tuner"), history.size()));
  for (int redraw = 0; redraw < kMostRedraws; ++redraw) {
    std::optional<Proposal> proposal;
    if (tries_first_ && history.empty() && redraw == 0) proposal = Proposal{.settings = first_settings(space_), .reason = "the first configuration"};
    else proposal = player_.tuner->propose(player_.settings, space_, history, random, feasible);
    if (!proposal) return std::nullopt;
    proposal->settings = complete(space_, proposal->settings, [](const Axis& axis) { return axis.first; });
    if (task_.nearest) {
      const std::optional<Settings> measured = task_.nearest(proposal->settings, tried_);
      if (!measured) return std::nullopt;
      proposal->settings = *measured;
    }
    if (tried_.insert(canonical_key(proposal->settings)).second) return proposal;
  }
  return std::nullopt;
}

}  // namespace espalier::bench
