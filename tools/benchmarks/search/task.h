#pragma once

#include "espalier/space.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace espalier::bench {

/// What a regret is measured against: 0 is the best there is, 1 what half of all configurations reach. Lower is better.
struct Scale {
  double best = 0.0;
  double median = 0.0;
  double sampled = best;  ///< the best of 1,001 draws where the best is not known from a table: what baselines measure against
};

/// Something to search: a space, and what a configuration of it reaches.
struct Task {
  std::string name;
  Space space;            ///< without first values: those are drawn for every study
  bool maximize = false;  ///< what is reported is the negative of the objective
  /// What a training up to step k + 1 costs, in full trainings; ascending, the last one is 1.
  std::vector<double> costs = {1.0};
  /// The objective (lower is better) after `step` steps, 1 to costs.size(); nothing: it diverged. `seed`: of its noise.
  std::function<std::optional<double>(const Settings&, size_t step, uint64_t seed)> objective;
  /// Where only some configurations have been measured: the nearest one that is not among the keys; nothing: all are.
  std::function<std::optional<Settings>(const Settings&, const std::set<std::string>& tried)> nearest = {};
  Scale scale = {};  ///< of the whole training
};

/// How tasks are had by name; a task's data are read when it is made.
using Tasks = std::map<std::string, std::function<Task()>>;

/// A configuration drawn uniformly.
Settings draw_settings(const Space& space, Random& random);

/// The objectives of whole trainings of so many configurations, drawn alike on every call, ascending; diverged ones last,
/// as infinity.
std::vector<double> sample_objectives(const Task& task, size_t count);

}  // namespace espalier::bench
