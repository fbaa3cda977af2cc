#include "tasks.h"

#include "catch.h"

#include <cmath>
#include <fstream>
#include <iostream>

using namespace espalier;
using namespace espalier::bench;

namespace fs = std::filesystem;

namespace {

/// A surrogate without blocks whose accuracy is the sigmoid of: 1 (booster "tree") or 5 ("line"), plus eta, plus 10 times the
/// size of the training, which is a fidelity.
struct Folder {
  fs::path path = fs::temp_directory_path() / "espalier_bench_surrogate_tasks_test";
  Folder() {
    fs::create_directories(path);
    std::ofstream(path / "yahpo_made.json") << header();
    const std::vector<float> weights = {0, 0, 2, 1, 5, 1, 1, 1, 10, 0, 1, 0, 0, 1, 1, 0};
    std::ofstream(path / "yahpo_made.f32", std::ios::binary)
        .write(reinterpret_cast<const char*>(weights.data()), static_cast<std::streamsize>(weights.size() * sizeof(float)));
  }
  ~Folder() { fs::remove_all(path); }

  static Json header() {
    return Json::parse(R"({
      "tensors": [["emb0", [2, 1], 0], ["emb1", [3, 1], 2], ["first.w", [1, 4], 5], ["first.b", [1], 9],
                  ["last_norm.weight", [1], 10], ["last_norm.bias", [1], 11], ["last_norm.running_mean", [1], 12],
                  ["last_norm.running_var", [1], 13], ["head.w", [1, 1], 14], ["head.b", [1], 15]],
      "cat_order": [0, 1], "pre": [], "post": [[0, [["mul", 100.0]]]], "bn_eps": 0.0, "blocks": 0,
      "cat": ["task_id", "booster"], "cont": ["eta", "trainsize"], "out": ["acc"],
      "encoding": {"task_id": {"#na#": 0, "12": 1}, "booster": {"#na#": 0, "tree": 1, "line": 2}},
      "config_space": {
        "hyperparameters": [
          {"name": "eta", "type": "uniform_float", "log": true, "lower": 0.1, "upper": 1.0},
          {"name": "booster", "type": "categorical", "choices": ["tree", "line"]},
          {"name": "task_id", "type": "categorical", "choices": ["12"]},
          {"name": "trainsize", "type": "uniform_float", "log": false, "lower": 0.0, "upper": 0.5}],
        "conditions": [{"child": "eta", "parent": "booster", "type": "EQ", "value": "tree"}]}})");
  }
};

double sigmoid(double x) { return 100.0 / (1.0 + std::exp(-x)); }

}  // namespace

TEST_CASE("what depends on a choice is absent beside others, and fidelities stay at their largest", "[surrogate]") {
  const Folder folder;
  const Task task = find_tasks(folder.path).at("yahpo_made_12")();
  REQUIRE(task.space.axes.size() == 2);
  CHECK(task.space.axes[0].name == "booster");
  CHECK(task.space.axes[1].parent == "booster");
  CHECK(task.maximize);
  CHECK(task.objective({{"booster", "tree"}, {"eta", 0.5}}, 1, 0).value() == Approx(-sigmoid(1 + 0.5 + 5)).epsilon(1e-5));
  CHECK(task.objective({{"booster", "line"}}, 1, 0).value() == Approx(-sigmoid(5 + 0 + 5)).epsilon(1e-5));
}

TEST_CASE("the accuracies of lcbench's surrogate are reproduced by its epochs", "[surrogate]") {
  const Tasks tasks = find_tasks(ESPALIER_SEARCHES);
  if (!tasks.contains("yahpo_lcbench_189906")) {
    std::cout << "skipped: there is no lcbench in '" ESPALIER_SEARCHES "'\n";
    return;
  }
  const Task task = tasks.at("yahpo_lcbench_189906")();
  REQUIRE(task.costs.size() == 51);
  // The first of the file's own examples: epoch 17 is step 16.
  const Settings settings = {{"batch_size", 349}, {"learning_rate", 0.02448909915983677}, {"momentum", 0.6164958477020264},
                             {"weight_decay", 0.010558472946286201}, {"num_layers", 1}, {"max_units", 644},
                             {"max_dropout", 0.4974226951599121}};
  CHECK(task.objective(settings, 16, 0).value() == Approx(-69.78203582763672).epsilon(5e-5));
}
