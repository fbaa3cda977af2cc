#include "task.h"

#include <algorithm>
#include <limits>

namespace espalier::bench {

Settings draw_settings(const Space& space, Random& random) {
  return complete(space, {}, [&](const Axis& axis) { return draw(axis, random); });
}

std::vector<double> sample_objectives(const Task& task, size_t count) {
  Random random(derive_seed(0, "sample"));
  std::vector<double> out;
  for (size_t i = 0; i < count; ++i)
    out.push_back(task.objective(draw_settings(task.space, random), task.costs.size(), 0).value_or(std::numeric_limits<double>::infinity()));
  std::ranges::sort(out);
  return out;
}

}  // namespace espalier::bench
