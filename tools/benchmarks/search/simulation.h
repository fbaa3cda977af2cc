#pragma once

#include "player.h"

#include <vector>

namespace espalier::bench {

/// A scheduler with its settings, as a pipeline names it.
struct Conductor {
  std::string label;
  const SchedulerType* scheduler = nullptr;
  Json settings = Json::object();
};

struct SimulationOptions {
  size_t workers = 1;
  std::vector<double> checkpoints;  ///< in full trainings of all workers together, ascending
  uint64_t seed = 0;
  bool tries_first = true;
};

/// How a study went. Costs are counted in full trainings; where workers wait, that counts too.
struct Simulation {
  /// What the incumbent reaches when trained to its end, one a checkpoint; infinity: it diverges, or there is none. The
  /// incumbent is the trial whose last objective is the least at that moment, however far it has been trained.
  std::vector<double> incumbent;
  size_t trials = 0;
  size_t complete = 0;
};

/// A study in simulated time: workers run steps of trainings, each of which takes its cost; whenever one is free the
/// scheduler is asked, running trials being part of what it sees. A training that goes on costs only what is new, and one
/// that diverges has failed. Throws E4021 if the scheduler waits while nothing runs, E4022 for a step that cannot be made.
Simulation simulate(const Task& task, const Player& player, const Conductor& conductor, const SimulationOptions& options);

}  // namespace espalier::bench
