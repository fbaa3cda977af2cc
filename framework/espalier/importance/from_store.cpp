#include "espalier/importance/from_store.h"

namespace espalier {

Importance importance(const std::vector<TrialRecord>& trials, bool maximize) {
  History history;
  for (const TrialRecord& trial : trials) {
    Result result{.number = trial.number, .settings = trial.settings, .state = trial.state, .fidelity = trial.epochs};
    if (trial.objective) result.objective = maximize ? -*trial.objective : *trial.objective;
    history.push_back(std::move(result));
  }
  return importance(ranked(history));
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
