#include "catch.h"
#include "espalier/data/folds.h"
#include "espalier/error.h"

#include <algorithm>
#include <numeric>
#include <set>

using namespace espalier;

namespace {

std::vector<int64_t> numbers(int64_t count) {
  std::vector<int64_t> out(static_cast<size_t>(count));
  std::iota(out.begin(), out.end(), int64_t{0});
  return out;
}

}  // namespace

TEST_CASE("folds are disjoint, hold every row and depend on the seed alone") {
  const auto folds = cut_folds(numbers(103), {}, {}, 5, 1);
  REQUIRE(folds.size() == 5);
  std::set<int64_t> all;
  for (const auto& fold : folds) {
    CHECK(fold.size() >= 20);
    CHECK(fold.size() <= 21);
    CHECK(std::ranges::is_sorted(fold));
    all.insert(fold.begin(), fold.end());
  }
  CHECK(all.size() == 103);
  CHECK(cut_folds(numbers(103), {}, {}, 5, 1) == folds);
  CHECK(cut_folds(numbers(103), {}, {}, 5, 2) != folds);
}

TEST_CASE("each fold has its share of every stratum") {
  std::vector<int64_t> strata;
  for (int64_t i = 0; i < 100; ++i) strata.push_back(i < 90 ? 0 : 1);
  for (const auto& fold : cut_folds(numbers(100), strata, {}, 5, 3)) {
    CHECK(std::ranges::count_if(fold, [&](int64_t row) { return strata[static_cast<size_t>(row)] == 1; }) == 2);
    CHECK(fold.size() == 20);
  }
}

TEST_CASE("no group is in two folds, and large groups do not make folds uneven") {
  std::vector<int64_t> groups;
  for (int64_t i = 0; i < 120; ++i) groups.push_back(i < 20 ? 0 : i / 5);
  std::set<int64_t> seen;
  size_t together = 0;
  for (const auto& fold : cut_folds(numbers(120), {}, groups, 4, 3)) {
    std::set<int64_t> here;
    for (const int64_t row : fold) here.insert(groups[static_cast<size_t>(row)]);
    together += here.size();
    seen.insert(here.begin(), here.end());
    CHECK(fold.size() == 30);
  }
  CHECK(together == seen.size());
}

TEST_CASE("more folds than rows or groups are refused") {
  CHECK_THROWS_WITH(cut_folds(numbers(3), {}, {}, 4, 1), Catch::Contains("4 folds; there are 3 rows"));
  CHECK_THROWS_WITH(cut_folds(numbers(8), {}, {1, 1, 1, 1, 2, 2, 2, 2}, 3, 1), Catch::Contains("3 folds; there are 2 groups"));
}
