#include "synthetic.h"
#include "tables.h"
#include "tasks.h"

#include "catch.h"

#include <fstream>
#include <limits>

using namespace espalier;
using namespace espalier::bench;

namespace fs = std::filesystem;

namespace {

/// A folder that is gone when this goes.
struct Folder {
  fs::path path = fs::temp_directory_path() / fs::path("espalier_bench_tasks_test");
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }

  void write(const std::string& name, const Json& header, const std::vector<float>& values) const {
    std::ofstream(path / (name + ".json")) << header;
    std::ofstream(path / (name + ".f32"), std::ios::binary)
        .write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(float)));
  }
};

constexpr float kAbsent = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("functions have their least values where they are known to be", "[tasks]") {
  CHECK(branin(9.42477796, 2.475) == Approx(kBraninMinimum).margin(1e-6));
  CHECK(hartmann({0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573}) == Approx(kHartmannMinimum).margin(1e-5));
  CHECK(ackley(std::vector<double>(10, 0.0)) == Approx(0.0).margin(1e-12));
  CHECK(rosenbrock(std::vector<double>(4, 1.0)) == Approx(0.0).margin(1e-12));
  const Task cond3 = find_tasks("").at("cond3")();
  const Settings best = {{"m", "B"}, {"b0", 0.20169}, {"b1", 0.150011}, {"b2", 0.476874}, {"b3", 0.275332}, {"b4", 0.311652},
                         {"b5", 0.6573}};
  CHECK(cond3.objective(best, 1, 0).value() == Approx(0.0).margin(1e-5));
}

TEST_CASE("a short form of a function is biased, noisy and cheap", "[tasks]") {
  const Task task = find_tasks("").at("mf_hartmann6")();
  const Settings place = {{"x0", 0.2}, {"x1", 0.15}, {"x2", 0.48}, {"x3", 0.28}, {"x4", 0.31}, {"x5", 0.66}};
  CHECK(task.objective(place, 100, 0) == task.objective(place, 100, 1));
  CHECK(task.objective(place, 100, 0).value() < -3.3);
  CHECK(task.objective(place, 3, 0).value() > -3.3);
  CHECK(task.objective(place, 3, 0) == task.objective(place, 3, 0));
  CHECK(task.objective(place, 3, 0) != task.objective(place, 3, 1));
  CHECK(task.costs.front() == Approx(0.05).margin(1e-3));
  CHECK(task.costs.back() == Approx(1.0));
}

TEST_CASE("a table's objective is the mean of the repetitions of the right row", "[tasks]") {
  const Folder folder;
  folder.write("hpolib_made", {{"direction", "maximize"}, {"radix", {2, 3}}, {"names", {"word", "number"}}, {"seeds", 2},
                               {"values", {{"a", "b"}, {1, 2, 4}}}},
               {10, 12, 20, 22, 30, 32, 40, kAbsent, 50, 52, kAbsent, kAbsent});
  const Task task = find_tasks(folder.path).at("hpolib_made")();
  CHECK(task.maximize);
  CHECK_FALSE(task.space.axes[0].ordered);
  CHECK(task.space.axes[1].ordered);
  CHECK(task.objective({{"word", "a"}, {"number", 4}}, 1, 0) == -31.0);
  CHECK(task.objective({{"word", "b"}, {"number", 1}}, 1, 0) == -40.0);
  CHECK(task.objective({{"word", "b"}, {"number", 4}}, 1, 0) == std::nullopt);
  CHECK(task.scale.best == -51.0);
  CHECK(task.scale.median == -31.0);
}

TEST_CASE("a file that does not fit its description is refused", "[tasks]") {
  const Folder folder;
  folder.write("hpolib_made", {{"direction", "minimize"}, {"radix", {2}}, {"names", {"x"}}, {"seeds", 2}}, {1, 2, 3});
  CHECK_THROWS_WITH(find_tasks(folder.path).at("hpolib_made")(), Catch::Contains("12 bytes where its description says 16"));
}

TEST_CASE("proposals move to the nearest measured configuration that is not tried", "[tasks]") {
  const Folder folder;
  const Json columns = {"rate", "beta", "valid_loss_1", "valid_loss_2", "valid_loss_3", "test_loss_3"};
  folder.write("taskset_made", {{"rows", 3}, {"columns", columns}},
               {1e-4F, 0.9F, 9, 5, 3, 1, 1e-2F, 0.99F, 9, 4, kAbsent, 1, 1e0F, 0.99995F, 9, 6, 2, 1});
  const Task task = find_tasks(folder.path).at("taskset_made")();
  REQUIRE(task.costs == std::vector<double>{0.5, 1.0});
  REQUIRE(task.space.axes[1].name == "one_minus_beta");
  CHECK(task.space.axes[0].log);
  CHECK(task.scale.best == 2.0);
  CHECK(task.scale.median == 3.0);
  const Settings wanted = {{"rate", 3e-3}, {"one_minus_beta", 1e-2}};
  const Settings nearest = task.nearest(wanted, {}).value();
  CHECK(nearest.at("rate").get<double>() == Approx(1e-2));
  CHECK(task.objective(nearest, 1, 0) == 4.0);
  CHECK(task.objective(nearest, 2, 0) == std::nullopt);
  const Settings second = task.nearest(wanted, {canonical_key(nearest)}).value();
  CHECK(task.objective(second, 2, 0) == 3.0);
}
