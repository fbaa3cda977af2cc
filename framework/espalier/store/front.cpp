#include "espalier/store/front.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace espalier {

namespace {

bool dominates(const std::vector<double>& a, const std::vector<double>& b) {
  return a != b && std::ranges::equal(a, b, std::less_equal<>());
}

}  // namespace

std::vector<bool> pareto_front(const std::vector<std::vector<double>>& points) {
  std::vector<bool> known;
  for (const auto& point : points) known.push_back(std::ranges::all_of(point, [](double value) { return std::isfinite(value); }));
  std::vector<bool> out = known;
  for (size_t i = 0; i < points.size(); ++i)
    for (size_t j = 0; j < points.size() && out[i]; ++j) out[i] = !(known[j] && dominates(points[j], points[i]));
  return out;
}

std::set<int64_t> front_of(const std::vector<TrialRecord>& trials, const std::map<std::string, bool>& maximize) {
  std::vector<std::vector<double>> points;
  for (const TrialRecord& trial : trials) {
    const bool counts = trial.state == TrialState::complete || trial.state == TrialState::paused;
    std::vector<double>& point = points.emplace_back();
    for (const auto& [name, is_more_better] : maximize) {
      const auto score = trial.scores.find(name);
      const bool is_there = counts && score != trial.scores.end();
      point.push_back(!is_there ? std::numeric_limits<double>::quiet_NaN() : is_more_better ? -score->second : score->second);
    }
  }
  const std::vector<bool> on_front = pareto_front(points);
  std::set<int64_t> out;
  for (size_t i = 0; i < trials.size(); ++i)
    if (on_front[i]) out.insert(trials[i].number);
  return out;
}

}  // namespace espalier
