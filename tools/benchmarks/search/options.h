#pragma once

#include "player.h"
#include "simulation.h"

#include "espalier/registry/registry.h"

#include <cstddef>
#include <string>
#include <vector>

namespace espalier::bench {

/// What the program is asked for.
struct Options {
  std::string what;                     ///< list, single, curves, proposals, store or memory
  std::string data;                     ///< folder of tables and surrogates
  std::string folder;                   ///< where stores are made
  std::vector<std::string> tasks;
  std::vector<std::string> tuners;      ///< 'tpe' or 'tpe{"candidates": 64}'
  std::vector<std::string> schedulers;  ///< alike
  std::vector<double> checkpoints;      ///< trials, or full trainings
  std::vector<size_t> workers = {1};
  size_t seeds = 20;
  size_t threads = 1;
  bool no_first = false;                ///< the tuner decides on the first trial too

  std::vector<size_t> trials() const { return {checkpoints.begin(), checkpoints.end()}; }
};

/// Throws boost::program_options::error or an Error (E0001).
Options read_options(int argc, char** argv);

std::vector<Player> players(const Options& options, const Registry& registry);
std::vector<Conductor> conductors(const Options& options, const Registry& registry);

}  // namespace espalier::bench
