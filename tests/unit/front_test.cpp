#include "espalier/store/front.h"

#include "catch.h"

#include <cmath>
#include <limits>

using namespace espalier;

namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

using Points = std::vector<std::vector<double>>;
using Marks = std::vector<bool>;

TrialRecord scored(int64_t number, double accuracy, double parameters, TrialState state = TrialState::complete) {
  return {.number = number, .settings = {}, .reason = "", .state = state, .scores = {{"val_accuracy", accuracy}, {"parameters", parameters}}};
}

}  // namespace

TEST_CASE("a point is on the front unless another one is as good everywhere and better somewhere") {
  CHECK(pareto_front(Points{{1, 4}, {2, 2}, {4, 1}, {3, 3}, {2, 3}}) == Marks{true, true, true, false, false});
  CHECK(pareto_front(Points{{1, 2, 3}, {2, 1, 3}, {2, 2, 3}, {3, 3, 2}}) == Marks{true, true, false, true});
  CHECK(pareto_front({}).empty());
}

TEST_CASE("equal points are on the front together, and a tie in one objective is broken by the others") {
  CHECK(pareto_front(Points{{1, 1}, {1, 1}, {2, 2}, {2, 2}}) == Marks{true, true, false, false});
  CHECK(pareto_front(Points{{1, 5}, {1, 4}, {0, 5}}) == Marks{false, true, true});
}

TEST_CASE("of one objective the best are the front") {
  CHECK(pareto_front(Points{{3}, {1}, {2}, {1}}) == Marks{false, true, false, true});
}

TEST_CASE("a point that lacks a value is not on the front and dominates nothing") {
  CHECK(pareto_front(Points{{0, kNone}, {1, 1}, {-INFINITY, 0}, {2, 0}}) == Marks{false, true, false, true});
  CHECK(pareto_front(Points{{kNone, kNone}}) == Marks{false});
}

TEST_CASE("trials count by their state and by which way each score is better") {
  std::vector<TrialRecord> trials = {scored(0, 0.9, 100), scored(1, 0.8, 50), scored(2, 0.8, 60), scored(3, 0.7, 10, TrialState::paused),
                                     scored(4, 0.99, 1, TrialState::failed), scored(5, 0.99, 1, TrialState::running)};
  trials.push_back({.number = 6, .settings = {}, .reason = "", .state = TrialState::complete, .scores = {{"val_accuracy", 1.0}}});
  const std::map<std::string, bool> maximize = {{"val_accuracy", true}, {"parameters", false}};
  CHECK(front_of(trials, maximize) == std::set<int64_t>{0, 1, 3});
  CHECK(front_of(trials, {{"val_accuracy", true}}) == std::set<int64_t>{6});
  CHECK(front_of(trials, {{"parameters", true}}) == std::set<int64_t>{0});
}
