#include "catch.h"
#include "espalier/network.h"
#include "made_data.h"
#include "trainer_process.h"

#include <csignal>
#include <fstream>
#include <iterator>
#include <string>

using espalier::Json;
using espalier::Network;
using espalier::Value;
using espalier::test::Folder;
using espalier::test::make_data;
using espalier::test::Outcome;
using espalier::test::run_trainer;

namespace {

Value trunk(Network& net) {
  Value x = net.input("image", {1, 8, 8}, "uint8");
  x = net.normalize(x);
  x = net.random_translate(x, 0.125, 0.125);
  x = net.relu(net.batch_norm(net.conv(x, {.filters = 6})));
  x = net.max_pool(x, {.kernel = 3, .stride = 2, .padding = espalier::Padding::same});
  return net.dropout(net.flatten(x), 0.2);
}

Json class_network() {
  Network net;
  net.output({.head = "label", .target = "label", .layer = net.dense(trunk(net), 2).layer,
              .loss = {{"name", "cross_entropy"}, {"label_smoothing", 0.1}}, .metrics = {"accuracy"},
              .decode = {{"kind", "class"}, {"activation", "softmax"}, {"names", {"left", "right"}}}});
  return net.to_json();
}

Json number_network() {
  Network net;
  net.output({.head = "brightness", .target = "brightness", .layer = net.dense(trunk(net), 1).layer, .loss = {{"name", "mse"}},
              .metrics = {"mse"}, .decode = {{"kind", "number"}}});
  return net.to_json();
}

Json job_for(const Json& data, const Json& network, const std::string& metric, bool maximize) {
  const Json train = {{"epochs", {{"count", 4}}}, {"batch", 16}, {"threads", 1}, {"precision", "float32"},
                      {"optimizer", {{"name", "adam"}, {"learning_rate", 0.01}}},
                      {"schedule", {{"name", "cosine"}, {"warmup", 0.1}}}, {"average", {{"name", "ema"}, {"decay", 0.9}}}};
  return {{"format", 1}, {"do", "train"},
          {"trial", {{"network", network}, {"data", data}, {"train", train}, {"objective", {{"metric", metric}, {"maximize", maximize}}},
                     {"seeds", {{"init", "1"}, {"order", "2"}, {"augment", "3"}, {"dropout", "4"}}}}},
          {"attempt", {{"from", 0}, {"until", nullptr}, {"read", ""}, {"write", ""}}}};
}

Json writing_to(Json job, const std::filesystem::path& folder) {
  job["attempt"]["write"] = folder.string();
  return job;
}

Json going_on_from(Json job, const Outcome& outcome) {
  const std::filesystem::path folder = job["attempt"]["write"].get<std::string>();
  job["attempt"]["read"] = (folder / outcome.last("checkpoint").at("checkpoint").get<std::string>()).string();
  return job;
}

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("a network learns made pictures, and evaluating it gives its scores again") {
  const Folder folder;
  Json job = writing_to(job_for(make_data(folder.path() / "data"), class_network(), "val_accuracy", true), folder.path() / "a");
  const Outcome trained = run_trainer(job, folder.path() / "a");
  REQUIRE(trained.exit_code == 0);
  CHECK(trained.count("hello") == 1);
  CHECK(trained.count("epoch") == 4);
  CHECK(trained.count("checkpoint") == 4);
  const Json done = trained.last("done").at("done");
  CHECK(done.at("val_accuracy").get<double>() > 0.9);
  job["do"] = "evaluate";
  job["split"] = "validation";
  job["attempt"]["read"] = done.at("weights");
  const Outcome scored = run_trainer(job, folder.path() / "a");
  REQUIRE(scored.exit_code == 0);
  const Json scores = scored.last("done").at("done");
  CHECK(scores.at("val_accuracy") == done.at("val_accuracy"));
  CHECK(scores.at("val_loss") == done.at("val_loss"));
  CHECK(scores.at("baseline").at("accuracy").get<double>() < 0.8);
  CHECK(scores.at("confusion").size() == 2);
}

TEST_CASE("a training in two parts gives the same bytes as one in one") {
  const Folder folder;
  const Json job = job_for(make_data(folder.path() / "data"), class_network(), "val_accuracy", true);
  REQUIRE(run_trainer(writing_to(job, folder.path() / "whole"), folder.path() / "whole").exit_code == 0);
  Json part = writing_to(job, folder.path() / "parts");
  part["attempt"]["until"] = 2;
  const Outcome first = run_trainer(part, folder.path() / "parts");
  REQUIRE(first.exit_code == 0);
  REQUIRE(first.count("epoch") == 2);
  part["attempt"]["until"] = nullptr;
  const Outcome second = run_trainer(going_on_from(part, first), folder.path() / "parts");
  REQUIRE(second.exit_code == 0);
  CHECK(second.count("epoch") == 2);
  CHECK(bytes_of(folder.path() / "parts" / "model.safetensors") == bytes_of(folder.path() / "whole" / "model.safetensors"));
  CHECK(bytes_of(folder.path() / "parts" / "epoch-0004.ckpt") == bytes_of(folder.path() / "whole" / "epoch-0004.ckpt"));
}

TEST_CASE("a training that was stopped or killed goes on to the same bytes") {
  const int signal = GENERATE(SIGTERM, SIGKILL);
  const Folder folder;
  const Json job = job_for(make_data(folder.path() / "data"), class_network(), "val_accuracy", true);
  REQUIRE(run_trainer(writing_to(job, folder.path() / "whole"), folder.path() / "whole").exit_code == 0);
  const Json cut = writing_to(job, folder.path() / "cut");
  Outcome outcome = run_trainer(cut, folder.path() / "cut", signal, 2);
  const bool ended = outcome.exit_code == 75 || outcome.exit_code == -SIGKILL || outcome.exit_code == 0;
  CHECK(ended);
  REQUIRE(outcome.count("checkpoint") >= 1);
  REQUIRE(run_trainer(going_on_from(cut, outcome), folder.path() / "cut").exit_code == 0);
  CHECK(bytes_of(folder.path() / "cut" / "epoch-0004.ckpt") == bytes_of(folder.path() / "whole" / "epoch-0004.ckpt"));
}

TEST_CASE("numbers are learned in standardised units and scored in their own") {
  const Folder folder;
  Json data = make_data(folder.path() / "data");
  data["targets"] = {{"brightness", "brightness"}};
  Json job = writing_to(job_for(data, number_network(), "val_mse", false), folder.path() / "n");
  job["trial"]["train"]["epochs"] = {{"max", 30}, {"patience", 30}};
  const Outcome trained = run_trainer(job, folder.path() / "n");
  REQUIRE(trained.exit_code == 0);
  job["do"] = "evaluate";
  job["split"] = "validation";
  job["attempt"]["read"] = trained.last("done").at("done").at("weights");
  const Outcome scored = run_trainer(job, folder.path() / "n");
  REQUIRE(scored.exit_code == 0);
  const Json scores = scored.last("done").at("done");
  CHECK(scores.at("val_mse") == trained.last("done").at("done").at("val_mse"));
  CHECK(scores.at("val_mse").get<double>() < scores.at("baseline").at("mse").get<double>());
  CHECK(scores.at("residuals").size() == 20);
  CHECK(scores.at("residuals").at(0).at(0).get<double>() > 50.0);
}

TEST_CASE("a loss that is no number fails with its cause, and a damaged checkpoint is refused") {
  const Folder folder;
  Json job = writing_to(job_for(make_data(folder.path() / "data"), class_network(), "val_accuracy", true), folder.path() / "x");
  job["trial"]["train"]["optimizer"] = {{"name", "sgd"}, {"learning_rate", 1e38}};
  job["trial"]["train"]["schedule"] = {{"name", "constant"}};
  const Outcome wild = run_trainer(job, folder.path() / "x");
  CHECK(wild.exit_code == 70);
  CHECK(wild.last("failed").at("failed").at("cause") == "nan");

  const std::filesystem::path broken = folder.path() / "x" / "broken.ckpt";
  std::ofstream(broken) << "this is no checkpoint";
  job["attempt"]["read"] = broken.string();
  const Outcome refused = run_trainer(job, folder.path() / "x");
  CHECK(refused.exit_code == 70);
  CHECK(refused.count("epoch") == 0);
}

TEST_CASE("every operation gives the shape that its document says") {
  Network net;
  Value x = net.input("image", {1, 9, 10}, "uint8");
  x = net.repeat_channels(net.scale(x, 1.0 / 255.0), 3);
  x = net.random_contrast(net.random_zoom(net.random_rotate(net.random_flip(x, true, true), 0.1), 0.2), 0.3);
  Value y = net.silu(net.conv(x, {.filters = 6, .kernel = 4, .stride = 3, .bias = true}));
  y = net.add(y, net.drop_path(net.gelu(net.depthwise_conv(y, 2)), 0.5));
  y = net.avg_pool(y, {.kernel = 2, .stride = 1, .padding = espalier::Padding::same});
  const Value gate = net.sigmoid(net.dense(net.global_avg_pool(y), 6));
  y = net.resize(net.multiply(y, gate), 7, 5);
  const Value all = net.concat({net.global_max_pool(y), net.activation(net.flatten(y), "tanh")});
  net.output({.head = "label", .target = "label", .layer = net.dense(all, 2).layer, .loss = {{"name", "cross_entropy"}},
              .decode = {{"kind", "class"}, {"activation", "softmax"}, {"names", {"a", "b"}}}});
  const Folder folder;
  const Outcome outcome = run_trainer({{"do", "check"}, {"trial", {{"network", net.to_json()}}}, {"attempt", Json::object()}}, folder.path());
  INFO(outcome.last("failed").dump());
  CHECK(outcome.exit_code == 0);
}
