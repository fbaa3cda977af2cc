#pragma once

#include "espalier/plugin.h"
#include "task.h"

#include <optional>
#include <set>
#include <string>

namespace espalier::bench {

/// A tuner with its settings, as a pipeline names it.
struct Player {
  std::string label;
  const TunerType* tuner = nullptr;
  Json settings = Json::object();
};

/// One study's decisions, made as `espalier run` makes them: randomness derived for every trial from its number, nothing
/// tried twice, the first configuration first. The first values are drawn, so that no tuner is given a good start.
class Decider {
 public:
  Decider(const Task& task, const Player& player, uint64_t seed, bool tries_first);

  /// What the next trial tries; nothing: there is nothing left to try.
  std::optional<Proposal> next(const History& history);
  const Space& space() const { return space_; }

 private:
  const Task& task_;
  const Player& player_;
  uint64_t seed_;
  bool tries_first_;
  Space space_;
  std::set<std::string> tried_;
};

}  // namespace espalier::bench
