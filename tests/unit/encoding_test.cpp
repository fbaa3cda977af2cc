#include "catch.h"
#include "espalier/tuner.h"

#include "../../plugins/tuners/models/encoding.h"

#include <algorithm>
#include <cmath>

using namespace espalier;
using tuners::AxisScale;
using tuners::Encoding;
using tuners::kInactive;

namespace {

Space mixed_space() {
  return {{{.name = "z.block", .choices = {"a", "b", "c"}, .first = "a"},
           {.name = "block.depth", .from = 2, .to = 5, .integer = true, .first = 2, .parent = "z.block", .parent_values = {"a", "c"}},
           {.name = "block.flag", .choices = {false, true}, .first = true, .parent = "z.block", .parent_values = {"b"}},
           {.name = "rate", .from = 1e-4, .to = 1.0, .log = true, .first = 0.1},
           {.name = "width", .from = 1, .to = 300, .integer = true, .log = true, .first = 16},
           {.name = "units", .from = 8, .to = 64, .integer = true, .log = true, .step = 2.0, .first = 8},
           {.name = "drop", .from = 0.1, .to = 0.5, .step = 0.1, .first = 0.1},
           {.name = "batch", .choices = {8, 16, 512}, .ordered = true, .first = 16},
           {.name = "decay", .from = -1.0, .to = 3.0, .first = 0.0}}};
}

}  // namespace

TEST_CASE("encoding a configuration and decoding it gives it back") {
  const Space space = mixed_space();
  const Encoding encoding(space);
  Random random(4);
  for (int i = 0; i < 500; ++i) {
    const Settings settings = complete(space, {}, [&](const Axis& axis) { return draw(axis, random); });
    const std::vector<double> row = encoding.encode(settings);
    const Settings back = encoding.decode(row);
    REQUIRE(back.size() == settings.size());
    for (const auto& [name, value] : settings) {
      INFO(name);
      if (value.is_number_float()) CHECK(back.at(name).get<double>() == Approx(value.get<double>()).epsilon(1e-10).margin(1e-11));
      else CHECK(back.at(name) == value);
    }
    CHECK(encoding.encode(back) == row);
    for (size_t axis = 0; axis < encoding.size(); ++axis) {
      CHECK((row[axis] != kInactive) == is_active(space.axes[axis], settings));
      CHECK(encoding.is_active(axis, row) == is_active(space.axes[axis], settings));
    }
  }
}

TEST_CASE("the values of an axis share its scale out among them") {
  const Space space = mixed_space();
  const Encoding encoding(space);
  for (const size_t axis : {1, 4, 5, 6, 7}) {
    INFO(space.axes[axis].name);
    const AxisScale& scale = encoding[axis];
    const std::vector<Json> points = values(space.axes[axis]);
    REQUIRE(scale.levels == std::ssize(points));
    double end = 0.0;
    for (int64_t k = 0; k < scale.levels; ++k) {
      const double coordinate = scale.level(k);
      CHECK(scale.encode(points[static_cast<size_t>(k)]) == coordinate);
      CHECK(scale.decode(coordinate) == points[static_cast<size_t>(k)]);
      CHECK(scale.index(coordinate) == k);
      const tuners::Cell cell = scale.cell(coordinate);
      CHECK(cell.low == Approx(end).margin(1e-12));
      CHECK(cell.low < coordinate);
      CHECK(coordinate < cell.high);
      CHECK(scale.snap(cell.low + 0.01 * (cell.high - cell.low)) == coordinate);
      CHECK(scale.snap(cell.high - 0.01 * (cell.high - cell.low)) == coordinate);
      end = cell.high;
    }
    CHECK(end == Approx(1.0));
  }
}

TEST_CASE("ranges run from end to end, in the logarithm where the axis says so") {
  const Space space = mixed_space();
  const Encoding encoding(space);
  CHECK(encoding[3].encode(1e-4) == 0.0);
  CHECK(encoding[3].encode(1e-2) == Approx(0.5));
  CHECK(encoding[3].decode(1.0) == Json(1.0));
  CHECK(encoding[8].encode(0.0) == Approx(0.25));
  CHECK(encoding[3].cell(0.3).low == encoding[3].cell(0.3).high);
}

TEST_CASE("values outside of the domain are moved to its end, unknown words stand for themselves") {
  const Space space = mixed_space();
  const Encoding encoding(space);
  CHECK(encoding[0].encode("d") == 3.0);
  CHECK(encoding[3].encode(7.0) == 1.0);
  CHECK(encoding[1].encode(-40) == encoding[1].level(0));
  CHECK(encoding[7].encode(100000) == encoding[7].level(2));
  CHECK(encoding[7].encode(13) == encoding[7].level(1));
  CHECK(encoding[7].encode(11) == encoding[7].level(0));
}

TEST_CASE("rows stand one after the other") {
  const Space space = mixed_space();
  const Encoding encoding(space);
  const Settings first = first_settings(space);
  Settings second = first;
  second["rate"] = 1.0;
  const std::vector<double> rows = encoding.encode(std::vector<const Settings*>{&first, &second});
  REQUIRE(rows.size() == 2 * encoding.size());
  CHECK(std::equal(rows.begin(), rows.begin() + 9, encoding.encode(first).begin()));
  CHECK(rows[9 + 3] == 1.0);
}
