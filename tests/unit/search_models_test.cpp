#include "catch.h"
#include "espalier/tuner.h"

#include "../../plugins/tuners/models/neighbours.h"
#include "../../plugins/tuners/models/parzen.h"
#include "../../plugins/tuners/models/rows.h"
#include "../../plugins/tuners/models/sobol.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

using namespace espalier;
using tuners::Encoding;
using tuners::kInactive;
using tuners::Parzen;

namespace {

using Row = std::vector<double>;

Parzen parzen(const Encoding& encoding, const std::vector<Row>& rows) {
  return Parzen(encoding, std::vector<std::span<const double>>(rows.begin(), rows.end()), 1.0);
}

Row draw_row(const Parzen& density, size_t width, Random& random) {
  Row row(width, Parzen::kFree);
  density.draw(random, row);
  return row;
}

Space line() { return {{{.name = "x", .from = 0.0, .to = 1.0, .first = 0.5}}}; }

/// A branch, with two settings below one of its values and one below another.
Space tree() {
  return {{{.name = "branch", .choices = {"a", "b", "c"}, .first = "a"},
           {.name = "a.depth", .from = 1, .to = 4, .integer = true, .first = 1, .parent = "branch", .parent_values = {"a"}},
           {.name = "a.kind", .choices = {"u", "v"}, .first = "u", .parent = "branch", .parent_values = {"a"}},
           {.name = "a.kind.v", .choices = {1, 2, 4}, .ordered = true, .first = 1, .parent = "a.kind", .parent_values = {"v"}},
           {.name = "b.width", .from = 1, .to = 20, .integer = true, .log = true, .first = 4, .parent = "branch", .parent_values = {"b", "c"}}}};
}

/// Every configuration of a space of finite axes, as rows.
std::vector<Row> all_rows(const Encoding& encoding, Row row = {}) {
  const size_t axis = row.size();
  if (axis == encoding.size()) return {row};
  std::vector<Row> out;
  Row padded = row;
  padded.resize(encoding.size(), kInactive);
  std::vector<double> coordinates{kInactive};
  if (encoding.is_active(axis, padded)) {
    coordinates.clear();
    for (int64_t k = 0; k < encoding[axis].levels; ++k) coordinates.push_back(encoding[axis].level(k));
  }
  for (const double coordinate : coordinates) {
    Row more = row;
    more.push_back(coordinate);
    for (Row& whole : all_rows(encoding, more)) out.push_back(std::move(whole));
  }
  return out;
}

}  // namespace

TEST_CASE("a density over a range integrates to one") {
  const Space space = line();
  const Encoding encoding(space);
  for (const std::vector<Row>& rows : {std::vector<Row>{}, {{0.0}}, {{0.3}}, {{0.2}, {0.21}, {0.9}, {1.0}}}) {
    const Parzen density = parzen(encoding, rows);
    constexpr int kPoints = 20000;
    double sum = 0.0;
    for (int i = 0; i < kPoints; ++i) sum += std::exp(density.log_density(Row{(i + 0.5) / kPoints})) / kPoints;
    CHECK(sum == Approx(1.0).epsilon(1e-5));
  }
}

TEST_CASE("the masses of all configurations of a tree sum to one, wherever it was observed") {
  const Space space = tree();
  const Encoding encoding(space);
  const std::vector<Row> all = all_rows(encoding);
  REQUIRE(all.size() == static_cast<size_t>(space.size()));
  for (const std::vector<size_t>& observed : {std::vector<size_t>{}, {0}, {0, 0, 0, 5}, {3, 9, 17, 40, 41, 44, 12, 12}}) {
    std::vector<Row> rows;
    for (const size_t i : observed) rows.push_back(all.at(i));
    const Parzen density = parzen(encoding, rows);
    double sum = 0.0;
    for (const Row& row : all) sum += std::exp(density.log_density(row));
    CHECK(sum == Approx(1.0).epsilon(1e-9));
  }
}

TEST_CASE("draws from a tree come as often as their mass says") {
  const Space space = tree();
  const Encoding encoding(space);
  const std::vector<Row> all = all_rows(encoding);
  const Parzen density = parzen(encoding, {all.at(2), all.at(30), all.at(31), all.at(40)});
  std::map<Row, int> counts;
  Random random(5);
  constexpr int kDraws = 40000;
  for (int i = 0; i < kDraws; ++i) ++counts[draw_row(density, encoding.size(), random)];
  int64_t seen = 0;
  for (const Row& row : all) {
    const double mass = std::exp(density.log_density(row));
    seen += counts[row];
    CHECK(counts[row] / double{kDraws} == Approx(mass).margin(5.0 * std::sqrt(mass / kDraws) + 1e-4));
  }
  CHECK(seen == kDraws);
}

TEST_CASE("draws from a range have the moments of their density") {
  const Space space = line();
  const Encoding encoding(space);
  const Parzen density = parzen(encoding, {{0.1}, {0.15}, {0.8}});
  constexpr int kPoints = 4000;
  double mean = 0.0, square = 0.0;
  for (int i = 0; i < kPoints; ++i) {
    const double x = (i + 0.5) / kPoints;
    const double mass = std::exp(density.log_density(Row{x})) / kPoints;
    mean += mass * x;
    square += mass * x * x;
  }
  Random random(8);
  double drawn = 0.0, drawn_square = 0.0;
  for (int i = 0; i < 40000; ++i) {
    const double x = draw_row(density, 1, random)[0];
    drawn += x / 40000;
    drawn_square += x * x / 40000;
  }
  CHECK(drawn == Approx(mean).margin(0.01));
  CHECK(drawn_square == Approx(square).margin(0.01));
}

TEST_CASE("what is given is kept, and the rest is drawn from what then is likely") {
  const Space space{{{.name = "m", .choices = {"a", "b"}, .first = "a"}, {.name = "x", .from = 0.0, .to = 1.0, .first = 0.5}}};
  const Encoding encoding(space);
  std::vector<Row> rows;
  for (int i = 0; i < 10; ++i) rows.push_back({static_cast<double>(i % 2), i % 2 == 0 ? 0.1 + 0.001 * i : 0.9 + 0.001 * i});
  const Parzen density = parzen(encoding, rows);
  Random random(2);
  int near = 0;
  for (int i = 0; i < 1000; ++i) {
    Row row{1.0, Parzen::kFree};
    density.draw(random, row);
    CHECK(row[0] == 1.0);
    near += row[1] > 0.5 ? 1 : 0;
  }
  CHECK(near > 750);
}

TEST_CASE("kernels are as wide as the way to a neighbour") {
  const Space space = line();
  const Encoding encoding(space);
  // At the mean of the lonely kernel its peak is lower than at the mean of those that stand close together.
  const Parzen density = parzen(encoding, {{0.10}, {0.12}, {0.14}, {0.9}});
  CHECK(density.log_density(Row{0.12}) > density.log_density(Row{0.9}) + 1.0);
}

TEST_CASE("old results weigh less than the newest 25") {
  CHECK(tuners::weights_by_age(3) == std::vector<double>{1.0, 1.0, 1.0});
  const std::vector<double> weights = tuners::weights_by_age(125);
  CHECK(weights.front() == Approx(1.0 / 125.0));
  CHECK(std::ranges::is_sorted(weights));
  CHECK(std::ranges::count(weights, 1.0) >= 25);
}

TEST_CASE("the Sobol points are the known ones") {
  // The first points of Joe and Kuo's sequence, in the order of the Gray code, as fractions of 8.
  const std::vector<std::vector<int>> known{{0, 0, 0}, {4, 4, 4}, {6, 2, 2}, {2, 6, 6}, {3, 3, 5}, {7, 7, 1}, {5, 1, 7}, {1, 5, 3}};
  for (size_t i = 0; i < known.size(); ++i) {
    const std::vector<uint64_t> point = tuners::sobol_point(i, 3);
    for (size_t d = 0; d < 3; ++d) CHECK(std::ldexp(static_cast<double>(point[d]), -61) == known[i][d]);
  }
  CHECK(tuners::sobol_point(7, 5000).back() == 0);
}

TEST_CASE("scrambled points fill every stratum once, and each seed has its own") {
  constexpr size_t kPoints = 64;
  constexpr size_t kDimensions = 12;
  std::vector<std::set<size_t>> strata(kDimensions);
  for (size_t i = 0; i < kPoints; ++i) {
    const Row point = tuners::scrambled_sobol_point(i, kDimensions, 3);
    for (size_t d = 0; d < kDimensions; ++d) strata[d].insert(static_cast<size_t>(point[d] * kPoints));
    CHECK(point == tuners::scrambled_sobol_point(i, kDimensions, 3));
    CHECK(point != tuners::scrambled_sobol_point(i, kDimensions, 4));
    CHECK(*std::ranges::max_element(point) < 1.0);
  }
  for (const auto& filled : strata) CHECK(filled.size() == kPoints);
  // Two dimensions together: 64 points, one in each of 8 by 8 squares.
  std::set<std::pair<int, int>> squares;
  for (size_t i = 0; i < kPoints; ++i) {
    const Row point = tuners::scrambled_sobol_point(i, 2, 9);
    squares.insert({static_cast<int>(point[0] * 8), static_cast<int>(point[1] * 8)});
  }
  CHECK(squares.size() == kPoints);
}

TEST_CASE("rows are found again, in the order seen, pending, others") {
  const Space space = tree();
  const Encoding encoding(space);
  History history;
  Random random(1);
  for (int64_t i = 0; i < 40; ++i) {
    const Settings settings = complete(space, {}, [&](const Axis& axis) { return draw(axis, random); });
    const TrialState state = i % 3 == 0 ? TrialState::running : i % 5 == 0 ? TrialState::preempted : TrialState::complete;
    history.push_back({.number = i, .settings = settings, .state = state, .objective = 1.0});
  }
  const tuners::Evidence evidence = tuners::evidence_of(history, 1);
  const tuners::Rows rows(encoding, evidence);
  REQUIRE(rows.size() == 40);
  CHECK(rows.pending() == 14);
  CHECK(rows.seen() == evidence.seen.size());
  std::set<Row> tried;
  for (const Result& result : history) tried.insert(encoding.encode(result.settings));
  for (const Row& row : all_rows(encoding)) {
    CHECK(rows.contains(row) == tried.contains(row));
    if (const auto found = rows.find(row)) CHECK(std::ranges::equal(rows[*found], row));
  }
}

TEST_CASE("neighbours differ in one hyperparameter and what hangs below it") {
  const Space space = tree();
  const Encoding encoding(space);
  const std::set<Row> legal = [&] {
    const std::vector<Row> all = all_rows(encoding);
    return std::set<Row>(all.begin(), all.end());
  }();
  for (const Row& row : all_rows(encoding)) {
    const std::vector<tuners::Neighbour> near = tuners::neighbours(space, encoding, row);
    size_t few = 0;
    for (const tuners::Neighbour& next : near) {
      CHECK(legal.contains(next.row));
      CHECK(next.row != row);
      CHECK(next.row[next.axis] != row[next.axis]);
      for (size_t axis = 0; axis < encoding.size(); ++axis)
        if (axis != next.axis && row[axis] != kInactive && next.row[axis] != kInactive) CHECK(next.row[axis] == row[axis]);
      if (next.axis == 0) ++few;
    }
    CHECK(few == 2);
  }
}

TEST_CASE("a range has neighbours near and far, on both sides where there is room") {
  const Space space = line();
  const Encoding encoding(space);
  std::vector<double> near;
  for (const auto& next : tuners::neighbours(space, encoding, Row{0.1})) near.push_back(next.row[0]);
  std::ranges::sort(near);
  const std::vector<double> wanted{0.0375, 0.06875, 0.084375, 0.115625, 0.13125, 0.1625, 0.225, 0.35};
  REQUIRE(near.size() == wanted.size());
  for (size_t i = 0; i < near.size(); ++i) CHECK(near[i] == Approx(wanted[i]).epsilon(1e-9));
}
