#include "espalier/importance/from_store.h"

#include <algorithm>

namespace espalier {

namespace {

/// The metric of an epoch, with or without the node's name before it.
std::optional<double> metric_of(const Metrics& metrics, const std::string& metric) {
  for (const std::string& name : {metric, metric.substr(metric.rfind('.') + 1)})
    if (const auto found = metrics.find(name); found != metrics.end()) return found->second;
  return std::nullopt;
}

std::vector<CurvePoint> curve_of(const Store& store, int64_t trial, const std::string& metric, double sign) {
  std::vector<CurvePoint> curve;
  for (const EpochRecord& epoch : store.epochs(trial))
    if (const auto value = metric_of(epoch.metrics, metric)) curve.push_back({static_cast<double>(epoch.epoch), sign * *value});
  return curve;
}

}  // namespace

Importance importance(const Store& store, const std::vector<TrialRecord>& trials, const std::string& metric, bool maximize) {
  const double sign = maximize ? -1.0 : 1.0;
  const auto stopped = std::ranges::any_of(trials, [](const TrialRecord& trial) {
    return trial.state == TrialState::paused || trial.state == TrialState::pruned;
  });
  History history;
  for (const TrialRecord& trial : trials) {
    if (trial.state == TrialState::failed) continue;
    Result result{.number = trial.number, .settings = trial.settings, .state = trial.state, .fidelity = trial.epochs};
    if (trial.objective) result.objective = sign * *trial.objective;
    if (stopped) result.curve = curve_of(store, trial.number, metric, sign);
    history.push_back(std::move(result));
  }
  return importance(comparable(history));
}

Json to_json(const Importance& importance) {
  Json axes = Json::array();
  for (const AxisImportance& axis : importance.axes)
    axes.push_back({{"name", axis.name}, {"trials", axis.trials}, {"values", axis.values}, {"judged", axis.judged},
                    {"explained", axis.explained}, {"share", axis.share}, {"by_chance", axis.by_chance}, {"favoured", axis.favoured}});
  return {{"method", "PED-ANOVA"}, {"trials", importance.trials}, {"best", importance.best}, {"warnings", importance.warnings},
          {"axes", std::move(axes)}};
}

}  // namespace espalier
