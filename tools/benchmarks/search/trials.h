#pragma once

#include "player.h"

#include <vector>

namespace espalier::bench {

/// How a study of whole trainings went.
struct Trials {
  std::vector<double> best;  ///< the least objective after so many trials, one a checkpoint; infinity while there is none
  Settings settings;         ///< of the best
  double seconds = 0.0;      ///< spent on proposals
};

/// A study of whole trainings, one after the other. `checkpoints`: numbers of trials, ascending.
Trials run_trials(const Task& task, const Player& player, uint64_t seed, const std::vector<size_t>& checkpoints, bool tries_first);

}  // namespace espalier::bench
