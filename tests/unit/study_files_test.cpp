#include "catch.h"
#include "espalier/error.h"
#include "espalier/store/best.h"
#include "espalier/study/files.h"
#include "espalier/study/study.h"
#include "study_folder.h"

using namespace espalier;
using namespace espalier::testing;

TEST_CASE("two processes never run one study at a time") {
  const TemporaryFolder folder;
  const FolderLock lock(folder.path());
  CHECK_THROWS_WITH(FolderLock(folder.path()), Catch::Contains("another process"));
}

TEST_CASE("of equally good trials the lower number is the best") {
  std::vector<TrialRecord> trials{{.number = 0, .state = TrialState::complete, .objective = 0.5},
                                  {.number = 1, .state = TrialState::complete, .objective = 0.9},
                                  {.number = 2, .state = TrialState::complete, .objective = 0.9},
                                  {.number = 3, .state = TrialState::failed, .objective = {}}};
  CHECK(best_trial(trials, true)->number == 1);
  CHECK(best_trial(trials, false)->number == 0);
  CHECK_FALSE(best_trial({}, false).has_value());
}

TEST_CASE("of trials with equal objectives the other objectives decide in their order, then the lower number") {
  const Json objective = {{"metric", "val_accuracy"}, {"maximize", true},
                          {"others", {{{"metric", "val_f1"}, {"maximize", true}}, {{"metric", "parameters"}, {"maximize", false}}}}};
  std::vector<TrialRecord> trials;
  const auto add = [&](double accuracy, const Metrics& scores) {
    trials.push_back({.number = std::ssize(trials), .state = TrialState::complete, .scores = scores, .objective = accuracy});
    set_tie_breaks(trials.back(), objective);
  };
  add(0.9, {{"val_f1", 0.8}, {"parameters", 10.0}});
  add(0.9, {{"val_f1", 0.9}, {"parameters", 30.0}});
  add(0.9, {{"val_f1", 0.9}, {"parameters", 20.0}});
  add(0.9, {{"val_f1", 0.9}, {"parameters", 20.0}});
  add(0.9, {{"val_f1", 0.9}});
  add(0.8, {{"val_f1", 1.0}, {"parameters", 1.0}});
  CHECK(best_trial(trials, true)->number == 2);
  sort_best_first(trials, true);
  std::vector<int64_t> order;
  for (const TrialRecord& trial : trials) order.push_back(trial.number);
  CHECK(order == std::vector<int64_t>{2, 3, 1, 4, 0, 5});
}

TEST_CASE("a document is written as YAML that reads as it was, with origins") {
  const Json value{{"seed", 5}, {"graph", {{"trunk", {{"block", "resnet"}, {"yes", "no"}, {"list", {1, 2}}}}}},
                   {"items", {{{"a", 1}, {"b", {{"c", "x: y"}}}}, 3}}, {"empty", Json::object()}};
  CHECK(to_yaml(value, {{"seed", {"file:3:7"}}}) ==
        "empty: {}\n"
        "graph:\n"
        "  trunk:\n"
        "    block: resnet\n"
        "    list: [1, 2]\n"
        "    \"yes\": \"no\"\n"
        "items:\n"
        "  - a: 1\n"
        "    b:\n"
        "      c: \"x: y\"\n"
        "  - 3\n"
        "seed: 5  # file:3:7\n");
}
