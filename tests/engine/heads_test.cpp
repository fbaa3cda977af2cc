#include "catch.h"
#include "made_data.h"
#include "made_jobs.h"
#include "trainer_process.h"

#include "espalier/network.h"

using namespace espalier;
using namespace espalier::test;

namespace {

/// As the shipped heads ask for it.
Output output_of(const std::string& column, Value layer, const Json& loss, const Json& decode, double weight = 1.0) {
  return {.head = column, .target = column, .layer = layer.layer, .loss = loss, .weight = weight,
          .metrics = {decode.at("kind") == "number" || decode.at("kind") == "numbers" ? "mse" : "accuracy"}, .decode = decode};
}

Json data_with(const TemporaryFolder& folder, const std::vector<std::string>& targets) {
  Json data = make_data(folder.path() / "data");
  data["targets"] = Json::object();
  for (const std::string& target : targets) data["targets"][target] = target;
  return data;
}

Json trained_and_scored(const TemporaryFolder& folder, Json job) {
  job["trial"]["train"]["epochs"] = {{"count", 20}};
  job = writing_to(job, folder.path() / "t");
  const Outcome trained = run_trainer(job, folder.path() / "t");
  INFO(trained.last("failed").dump());
  REQUIRE(trained.exit_code == 0);
  const Outcome scored = run_trainer(evaluating(job, trained, "train"), folder.path() / "t");
  REQUIRE(scored.exit_code == 0);
  return scored.last("done").at("done");
}

/// Scores of one head on made pictures.
Json scores_of(const std::string& column, int64_t units, const Json& loss, const Json& decode) {
  const TemporaryFolder folder;
  Network net;
  net.output(output_of(column, net.dense(trunk(net), units), loss, decode));
  return trained_and_scored(folder, job_for(data_with(folder, {column}), net.to_json(), "val_loss", false));
}

double number(const Json& scores, const std::string& name) { return scores.at(name).get<double>(); }

}  // namespace

TEST_CASE("one logit answers between two classes") {
  const std::string weights = GENERATE("none", "balanced");
  const Json scores = scores_of("label", 1, {{"name", "binary_cross_entropy"}, {"label_smoothing", 0.1}, {"class_weights", weights}},
                                {{"kind", "class"}, {"activation", "sigmoid"}, {"names", {"left", "right"}}});
  CHECK(number(scores, "train_accuracy") > 0.95);
  CHECK(scores.at("confusion").size() == 2);
}

TEST_CASE("several classes are told apart better than by the most frequent one") {
  const Json scores = scores_of("light", 3, {{"name", "cross_entropy"}, {"label_smoothing", 0.1}, {"class_weights", "balanced"}},
                                {{"kind", "class"}, {"activation", "softmax"}, {"names", {"dark", "grey", "light"}}});
  CHECK(number(scores, "train_accuracy") > number(scores.at("baseline"), "accuracy") + 0.1);
  CHECK(scores.at("confusion").size() == 3);
}

TEST_CASE("several labels at once are answered one by one") {
  const Json scores = scores_of("marks", 2, {{"name", "binary_cross_entropy"}, {"label_smoothing", 0.0}, {"class_weights", "balanced"}},
                                {{"kind", "classes"}, {"activation", "sigmoid"}, {"names", {"right", "light"}}});
  CHECK(number(scores, "train_accuracy") > number(scores.at("baseline"), "accuracy") + 0.1);
}

TEST_CASE("numbers read from bins or levels are learned, and told in their unit") {
  const std::string name = GENERATE("bins", "ordinal");
  const bool ordinal = name == "ordinal";
  const Json loss = {{"name", name}, {"bins", 20}, {"spread", 0.15}, {"expectation", 1.0}};
  const Json decode = {{"bins", 20}, {"activation", ordinal ? "sigmoid" : "softmax"}};
  const auto output = [&](Network& net, Value x, int64_t numbers, Json of_kind) {
    of_kind.update(decode);
    net.output(output_of(numbers == 1 ? "brightness" : "pair",
                         ordinal ? net.thresholds(net.dense(x, numbers, false), 19) : net.dense(x, 20 * numbers), loss, of_kind));
  };
  const TemporaryFolder folder;
  Network one;
  output(one, trunk(one), 1, {{"kind", "number"}});
  Json job = job_for(data_with(folder, {"brightness"}), one.to_json(), "val_mae", false);
  const Json scores = trained_and_scored(folder, job);
  CHECK(number(scores, "train_mse") < 0.35 * number(scores.at("baseline"), "mse"));
  CHECK(scores.at("residuals").at(0).at(1).get<double>() > 50.0);
  CHECK(scores.at("by_range").size() >= 5);
  Network two;
  output(two, trunk(two), 2, {{"kind", "numbers"}, {"names", {"brightness", "side"}}});
  const Json both = trained_and_scored(folder, job_for(data_with(folder, {"pair"}), two.to_json(), "val_loss", false));
  CHECK(number(both, "train_mse") < 0.5 * number(both.at("baseline"), "mse"));
}

TEST_CASE("focal loss learns classes as cross entropy does") {
  const Json scores = scores_of("light", 3, {{"name", "focal"}, {"gamma", 2.0}, {"class_weights", "balanced"}},
                                {{"kind", "class"}, {"activation", "softmax"}, {"names", {"dark", "grey", "light"}}});
  CHECK(number(scores, "train_accuracy") > number(scores.at("baseline"), "accuracy") + 0.1);
  CHECK(scores.at("by_class").at(0).at("name") == "dark");
  for (const std::string name : {"precision", "recall", "f1", "auc", "log_loss", "calibration_error", "top_2"}) {
    INFO(name);
    CHECK(scores.contains("train_" + name) == (name != "top_2"));
  }
}

TEST_CASE("samples that weigh nothing are not learned") {
  const TemporaryFolder folder;
  Json job = job_for(data_with(folder, {"label"}), class_network(), "val_loss", false);
  const Json all = trained_and_scored(folder, job);
  CHECK(number(all, "train_recall") > 0.9);
  job["trial"]["data"]["sample_weight"] = "left";
  const Json left = trained_and_scored(folder, job);
  CHECK(left.at("confusion").at(1).at(1) == 0);
  // What is no weight is told: some of the values are below 0.
  job["trial"]["data"]["sample_weight"] = "debt";
  const Outcome refused = run_trainer(writing_to(job, folder.path() / "t"), folder.path() / "t");
  CHECK(refused.last("failed").at("failed").at("cause") == "data");
}

TEST_CASE("an objective that the head does not name is scored every epoch, and one that is undefined fails") {
  const TemporaryFolder folder;
  Json job = writing_to(job_for(data_with(folder, {"label"}), class_network(), "val_auc", true), folder.path() / "t");
  const Outcome trained = run_trainer(job, folder.path() / "t");
  REQUIRE(trained.exit_code == 0);
  const Json metrics = trained.last("epoch").at("metrics");
  CHECK(metrics.at("val_auc").get<double>() > 0.9);
  CHECK(metrics.contains("val_accuracy"));
  CHECK_FALSE(metrics.contains("val_log_loss"));  // nobody asked for it
  Json several = job;
  several["trial"]["objective"]["others"] = {"val_log_loss"};
  CHECK(run_trainer(several, folder.path() / "t").last("epoch").at("metrics").contains("val_log_loss"));
  job["trial"]["objective"]["metric"] = "val_mse";
  const Outcome failed = run_trainer(job, folder.path() / "t");
  CHECK(failed.last("failed").at("failed").at("cause") == "data");
}

TEST_CASE("several numbers are standardised one by one") {
  const std::string loss = GENERATE("mse", "mae", "huber");
  const Json scores = scores_of("pair", 2, {{"name", loss}}, {{"kind", "numbers"}, {"names", {"brightness", "side"}}});
  CHECK(number(scores, "train_mse") < 0.5 * number(scores.at("baseline"), "mse"));
  CHECK(scores.at("residuals").size() == 160);
}

TEST_CASE("two inputs meet, and two heads weigh as they are told") {
  const std::string how = GENERATE("add", "concat");
  const TemporaryFolder folder;
  Network net;
  const Value pixels = net.dense(trunk(net), 8);
  const Value extra = net.dense(net.input("extra", {3}, "float32"), 8);
  const Value both = how == "add" ? net.add(pixels, extra) : net.concat({pixels, extra});
  const Json classes = {{"kind", "class"}, {"activation", "sigmoid"}, {"names", {"left", "right"}}};
  net.output(output_of("label", net.dense(both, 1), {{"name", "binary_cross_entropy"}}, classes));
  net.output(output_of("brightness", net.dense(both, 1), {{"name", "mse"}}, {{"kind", "number"}}, 0.25));
  Json data = data_with(folder, {"label", "brightness"});
  data["inputs"]["extra"] = "extra";
  const Json scores = trained_and_scored(folder, job_for(data, net.to_json(), "val_loss", false));
  CHECK(number(scores, "label.train_accuracy") > 0.95);
  CHECK(number(scores, "brightness.train_mse") < number(scores.at("baseline").at("brightness"), "mse"));
}
