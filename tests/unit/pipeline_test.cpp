#include "catch.h"

#include "espalier/network/analysis.h"
#include "espalier/pipeline/measures.h"
#include "espalier/pipeline/names.h"
#include "espalier/pipeline/objective.h"
#include "espalier/pipeline/pipeline.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

using namespace espalier;

namespace {

std::filesystem::path build_folder() { return std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path(); }
std::filesystem::path source_folder() { return ESPALIER_SOURCE; }

const Registry& plugins() {
  static const Registry kRegistry = Registry::scan({build_folder() / "lib/espalier/plugins"});
  return kRegistry;
}

/// True if what the pipelines of these tests name is built and described; else says that the test is skipped.
bool is_complete() {
  for (const auto& [kind, name] : {std::pair(PluginKind::block, "vanilla"), std::pair(PluginKind::block, "resnet"),
                                   std::pair(PluginKind::block, "normalization"), std::pair(PluginKind::head, "classification"),
                                   std::pair(PluginKind::tuner, "random"), std::pair(PluginKind::reader, "cifar")})
    if (plugins().find(kind, name) == nullptr) {
      std::cout << "skipped: " << to_string(kind) << " '" << name << "' is not in " << build_folder().string() << "/lib/espalier/plugins\n";
      return false;
    }
  REQUIRE(std::filesystem::exists(source_folder() / "datasets/cifar10.yaml"));
  return true;
}

PipelineRequest request(const std::string& text, std::vector<std::string> overrides = {}, std::vector<std::string> variants = {}) {
  const std::filesystem::path folder = build_folder() / "tests/pipelines";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "one.yaml") << text;
  return {.file = folder / "one.yaml", .overrides = std::move(overrides), .variants = std::move(variants),
          .dataset_paths = {source_folder() / "datasets"}, .cache = folder / "cache"};
}

Pipeline load(const std::string& text, std::vector<std::string> overrides = {}, std::vector<std::string> variants = {}) {
  return load_pipeline(request(text, std::move(overrides), std::move(variants)), plugins());
}

/// Code and line of every mistake.
std::vector<std::string> mistakes(const std::string& text, std::vector<std::string> overrides = {}) {
  std::vector<std::string> out;
  try {
    load(text, std::move(overrides));
  } catch (const Error& error) {
    for (const Problem& p : error.problems()) out.push_back(p.code + ":" + std::to_string(p.where.line));
  }
  return out;
}

const std::string kGood =
    "data: {dataset: cifar10, split: {validation: 0.2, stratify: label}}\n"
    "graph:\n"
    "  pixels: {block: normalization, from: image}\n"
    "  trunk: {block: vanilla, from: pixels, depth: {tune: [2, 3]}}\n"
    "  label: {head: classification, from: trunk}\n"
    "train: {optimizer: {tune: {sgd: {learning_rate: {tune: {from: 0.001, to: 1, log: true}}}, adam: {}}}}\n"
    "search: {tuner: random, budget: {time: 5m}}\n"
    "variants: {size: {small: {trunk.depth: 1}}}\n";

}  // namespace

TEST_CASE("a pipeline becomes a space, an objective and a network") {
  if (!is_complete()) return;
  const Pipeline pipeline = load(kGood);
  REQUIRE(pipeline.space.axes.size() == 3);
  CHECK(pipeline.space.axes[0].name == "trunk.vanilla.depth");
  CHECK(pipeline.space.axes[1].name == "train.optimizer");
  CHECK(pipeline.space.axes[2].name == "train.optimizer.sgd.learning_rate");
  CHECK(pipeline.space.axes[2].parent == "train.optimizer");
  CHECK(pipeline.search.objective().metric == "val_accuracy");
  CHECK(pipeline.search.objective().maximize);
  CHECK(pipeline.resolved["search"]["objective"] == Json{{"maximize", "val_accuracy"}});
  CHECK(pipeline.search.budget_seconds == Approx(300.0));
  const Json train = train_settings(pipeline, {{"train.optimizer", "adam"}});
  CHECK(train.at("optimizer").contains("adam"));
  const Json trial = trial_document(pipeline, first_settings(pipeline.space), plugins(), {}, "7f3a", 3);
  CHECK(trial.at("train").at("optimizer").at("name") == "sgd");
  CHECK(trial.at("data").at("inputs").at("image") == "image");
  CHECK(trial == trial_document(pipeline, first_settings(pipeline.space), plugins(), {}, "7f3a", 3));
}

TEST_CASE("several objectives are kept in order, as written and as a study keeps them") {
  if (!is_complete()) return;
  const Pipeline pipeline = load(kGood, {"search.objective=[{minimize: val_loss}, {maximize: label.val_f1}, {minimize: memory}]"});
  REQUIRE(pipeline.search.objectives.size() == 3);
  CHECK(pipeline.search.objective().metric == "val_loss");
  CHECK(pipeline.search.objectives[1].metric == "val_f1");
  CHECK(pipeline.search.objectives[2].metric == "memory");
  CHECK(pipeline.resolved["search"]["objective"] == Json::parse(R"([{"minimize": "val_loss"}, {"maximize": "val_f1"}, {"minimize": "memory"}])"));
  const std::vector<Objective> read = objectives_from_json(objectives_to_json(pipeline.search.objectives));
  REQUIRE(read.size() == 3);
  CHECK(written(read) == pipeline.resolved["search"]["objective"]);
  // A training is asked for metrics; what a network measures is known without it.
  const Json document = trial_document(pipeline, first_settings(pipeline.space), plugins(), Preparation{}, "study", 0);
  CHECK(document["objective"] == Json{{"metric", "val_loss"}, {"maximize", false}, {"others", {"val_f1"}}});
  const Network network = build_network(pipeline, first_settings(pipeline.space), plugins());
  CHECK(find_measure("parameters")->value(network, 1) == static_cast<double>(cost(network).parameters));
  CHECK(find_measure("memory")->value(network, 4096) > find_measure("memory")->value(network, 32));
  CHECK(find_measure("latency")->predicted == &Predicted::latency);
  CHECK_FALSE(needs_prediction(pipeline));
  CHECK(needs_prediction(load(kGood, {"search.objective=[{minimize: val_loss}, {minimize: time}]"})));
}

TEST_CASE("a list of one objective is that objective") {
  if (!is_complete()) return;
  CHECK(load(kGood, {"search.objective=[{maximize: val_accuracy}]"}).resolved == load(kGood).resolved);
}

TEST_CASE("later layers win: variants, then the command line") {
  if (!is_complete()) return;
  CHECK(load(kGood, {}, {"size=small"}).resolved["graph"]["trunk"]["vanilla"]["depth"] == 1);
  CHECK(load(kGood, {"trunk.depth=2"}, {"size=small"}).resolved["graph"]["trunk"]["vanilla"]["depth"] == 2);
  CHECK(load(kGood, {"~trunk.depth"}).space.axes.size() == 2);
  CHECK(load(kGood, {"train.optimizer=adam", "train.batch=64"}).resolved["train"]["batch"] == 64);
  CHECK(mistakes(kGood, {"~trunk.dropout"}) == std::vector<std::string>{"E0603:1"});
  CHECK(mistakes(kGood, {"trunkk.depth=2"}) == std::vector<std::string>{"E0602:1"});
}

TEST_CASE("all mistakes are told at once, in order") {
  if (!is_complete()) return;
  const std::vector<std::string> found = mistakes(
      "data: {dataset: cifar10, take: {train: {tune: [1, 2]}}, split: {validation: 1.0}}\n"
      "graph:\n"
      "  trunk: {block: vanilla, from: imag, widht: 64}\n"
      "  other: {block: resnet, from: [image, trunk], depth: \"3\"}\n"
      "  label: {head: regression, from: trunk}\n"
      "train: {batch: 0, optimizer: {sgd: {nesterov: yes}}}\n"
      "search: {budget: {time: 10:30}}\n");
  for (const char* wanted : {"E0401:1", "E0202:1", "E0303:3", "E0203:3", "E0310:4", "E0202:4", "E0312:5", "E0207:6", "E0202:6", "E0202:7"})
    CHECK(std::ranges::find(found, wanted) != found.end());
}

TEST_CASE("cycles and loose ends are told") {
  if (!is_complete()) return;
  const std::vector<std::string> found = mistakes(
      "data: {dataset: cifar10}\n"
      "graph:\n"
      "  a: {block: vanilla, from: b}\n"
      "  b: {block: vanilla, from: a}\n"
      "  loose: {block: vanilla, from: image}\n"
      "  label: {head: classification, from: b}\n");
  CHECK(std::ranges::any_of(found, [](const std::string& m) { return m.rfind("E0309", 0) == 0; }));
  CHECK(std::ranges::find(found, "E0311:5") != found.end());
}

TEST_CASE("folds need a refit, and without validation there is nothing to compare") {
  if (!is_complete()) return;
  const std::string folded = "data.split.validation={folds: 3}";
  CHECK(mistakes(kGood, {folded}) == std::vector<std::string>{"E0408:1"});
  CHECK(mistakes(kGood, {"data.split.validation={folds: 1}"}) == std::vector<std::string>{"E0207:1"});
  const Pipeline pipeline = load(kGood, {folded, "search.refit=true", "search.replicates=2"});
  CHECK(pipeline.folds == 3);
  CHECK(pipeline.search.refit.is_wanted);
  CHECK(pipeline.search.replicates == 2);
  CHECK(pipeline.resolved["data"]["split"]["validation"] == Json{{"folds", 3}});
  CHECK(pipeline.resolved["search"]["refit"] == true);
  CHECK(load(kGood).folds == 0);
  CHECK(load(kGood, {"search.refit={epochs: 9.5}"}).search.refit.epochs == 9.5);
  CHECK(load(kGood, {"search.refit.share=0.25", "search.budget.time=10m"}).search.trial_seconds() == Approx(450));
  CHECK(mistakes(kGood, {"search.refit={share: 0.5}", "~search.budget.time", "search.budget.trials=2"}) == std::vector<std::string>{"E0425:1"});
  CHECK(mistakes(kGood, {"search.refit={share: 1.5}", "search.budget.time=10m"}) == std::vector<std::string>{"E0207:1"});
  CHECK(mistakes(kGood, {"search.refit=often"}) == std::vector<std::string>{"E0202:1"});
  CHECK(mistakes(kGood, {"run.workers=many"}) == std::vector<std::string>{"E0202:1"});
  CHECK(mistakes(kGood, {"search.ensemble=-2"}) == std::vector<std::string>{"E0207:1"});

  CHECK(mistakes(kGood, {"data.split.validation=none"}).size() == 2);
  const std::vector<std::string> fixed = {"data.split.validation=none", "~trunk.depth", "train.optimizer=sgd", "train.epochs=2",
                                          "train.optimizer.sgd.learning_rate=0.1"};
  CHECK(load(kGood, fixed).resolved["train"]["score"] == "last");
}

TEST_CASE("what belongs to a run is read and leaves the study as it is") {
  const Pipeline plain = load(kGood);
  const Pipeline given = load(kGood, {"run.workers=3", "run.store=host=/tmp/db", "run.keep.checkpoints=best", "run.keep.quota=1GiB"});
  CHECK(given.workers == 3);
  CHECK(given.store == "host=/tmp/db");
  CHECK(given.keep.checkpoints == "best");
  CHECK(given.keep.quota == Approx(1073741824.0));
  Json without = given.resolved;
  without.erase("run");
  CHECK(without == plain.resolved);
}

TEST_CASE("names are shortened to what tells them apart") {
  const auto names = short_names({"trunk.vanilla.depth", "train.optimizer", "train.optimizer.sgd.learning_rate",
                                  "train.optimizer.adam.learning_rate", "left.depth_wise", "left.a.rate", "right.a.rate", "rate"});
  CHECK(names.at("trunk.vanilla.depth") == "depth");
  CHECK(names.at("train.optimizer") == "optimizer");
  CHECK(names.at("train.optimizer.sgd.learning_rate") == "sgd.learning_rate");
  CHECK(names.at("right.a.rate") == "right.a.rate");
  CHECK(names.at("rate") == "rate");
  CHECK(name_below("trunk.image_block.family.vanilla.width", "trunk.image_block.family", "vanilla") == "width");
  CHECK(name_below("trunk.resnet.depth", "trunk.block", "resnet") == "depth");
  CHECK(name_below("trunk.staged.body.1.residual.width", "trunk.staged.body.repeat", "2, 3") == "1.residual.width");
}

TEST_CASE("what needs more memory than its limit is not proposed") {
  if (!is_complete()) return;
  const Pipeline roomy = load(kGood, {"search.limits.memory=64GiB"});
  CHECK(is_feasible(roomy, first_settings(roomy.space), plugins()));
  const Pipeline narrow = load(kGood, {"search.limits.memory=1MiB"});
  CHECK_FALSE(is_feasible(narrow, first_settings(narrow.space), plugins()));
  CHECK(narrow.resolved["search"]["limits"] == Json{{"memory", "1048576B"}});
}

TEST_CASE("what is predicted to take too long is not proposed; where nothing predicts it, nothing is left out") {
  if (!is_complete()) return;
  const Predict predict = [](const Network& network, const Json& train) {
    CHECK(network.layers().size() > 3);
    return Predicted{.latency = 0.002, .time = 4.0 * train.at("batch").get<double>()};
  };
  const auto holds = [&](const std::string& constraint, const Predict& by) {
    const Pipeline pipeline = load(kGood, {"search.constraints=[" + constraint + "]", "train.batch=32"});
    CHECK(needs_prediction(pipeline));
    return is_feasible(pipeline, first_settings(pipeline.space), plugins(), by);
  };
  CHECK(holds("time < 3m", predict));
  CHECK_FALSE(holds("time < 2m", predict));
  CHECK(holds("latency < 5ms", predict));
  CHECK_FALSE(holds("latency < 1ms and parameters > 1", predict));
  CHECK(holds("time < 1ms", {}));
  CHECK_FALSE(needs_prediction(load(kGood)));
  const Pipeline weighing = load(kGood, {"search.tuner={gp: {per_second: true}}"});
  CHECK(needs_prediction(weighing));
  CHECK(predicted_seconds(load(kGood, {"train.batch=32"}), first_settings(weighing.space), plugins(), predict) == 128.0);
}

TEST_CASE("a profile says where things lie, below the command line") {
  if (!is_complete()) return;
  PipelineRequest asked = request(kGood);
  asked.profile = asked.file.parent_path() / "profile.yaml";
  std::ofstream(asked.profile) << "run: {folder: results, cache: {folder: /tmp/somewhere}}\n";
  const Pipeline pipeline = load_pipeline(asked, plugins());
  CHECK(pipeline.data.cache == "/tmp/somewhere");
  CHECK(pipeline.resolved["run"]["folder"] == (asked.file.parent_path() / "results").string());
  CHECK(pipeline.origins.at("run.folder").source.find("profile.yaml:1:") != std::string::npos);
  asked.overrides = {"run.cache.folder=/tmp/elsewhere"};
  CHECK(load_pipeline(asked, plugins()).data.cache == "/tmp/elsewhere");
}

TEST_CASE("an order is kept in the resolved pipeline") {
  if (!is_complete()) return;
  CHECK(load(kGood).resolved["search"]["order"].contains("fast"));
  const Pipeline pipeline = load(kGood, {"search.order={reproducible: {lag: 2}}"});
  CHECK(pipeline.search.reproducible);
  CHECK(pipeline.resolved["search"]["order"] == Json{{"reproducible", {{"lag", 2}}}});
}

TEST_CASE("'tune: all' leaves freezing alone, which is refused") {
  if (!is_complete()) return;
  const Pipeline pipeline = load(kGood, {"trunk.tune=all"});
  for (const Axis& axis : pipeline.space.axes) CHECK(axis.name != "trunk.freeze");
}
