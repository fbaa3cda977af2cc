#include "torch_catch.h"

#include "made_data.h"
#include "made_device.h"

#include "espalier/data/files.h"
#include "espalier/engine/batches.h"
#include "espalier/engine/checkpoint.h"
#include "espalier/engine/device.h"
#include "espalier/engine/executor.h"
#include "espalier/engine/jobs.h"
#include "espalier/engine/messages.h"
#include "espalier/engine/profile.h"
#include "espalier/engine/session.h"
#include "espalier/engine/trainer.h"
#include "espalier/engine/weights.h"
#include "espalier/error.h"

#include <ATen/core/grad_mode.h>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <string>
#include <vector>

using namespace espalier;
using namespace espalier::engine;
using at::Tensor;
using espalier::test::made_device;

namespace {

/// A little of everything that has a kernel of the processor's own, and of what is drawn.
Value trunk(Network& net, Value x) {
  x = net.normalize(x);
  x = net.random_flip(x, true, false);
  x = net.random_translate(x, 0.125, 0.125);
  x = net.silu(net.batch_norm(net.conv(x, {.filters = 8, .init = "dirac"})));
  x = net.max_pool(x, {.padding = Padding::same});
  const Value before = x;
  x = net.batch_norm(net.depthwise_conv(x, 3, 1));
  x = net.relu(net.add(net.drop_path(x, 0.2), before));
  x = net.max_pool(net.gelu(net.batch_norm(net.conv(x, {.filters = 6, .stride = 2}))), {.kernel = 3, .stride = 2, .padding = Padding::same});
  return net.dropout(net.flatten(x), 0.2);
}

Network network() {
  Network net;
  const Value features = trunk(net, net.input("image", {1, 8, 8}, "uint8"));
  net.output({.head = "label", .target = "label", .layer = net.dense(features, 2).layer, .loss = {{"name", "cross_entropy"}},
              .metrics = {"accuracy"}, .decode = {{"kind", "class"}, {"activation", "softmax"}, {"names", {"left", "right"}}}});
  net.output({.head = "brightness", .target = "brightness", .layer = net.dense(features, 1).layer, .loss = {{"name", "mse"}}, .metrics = {"mse"},
              .decode = {{"kind", "number"}}});
  return net;
}

Json trial(const Json& data, const Json& settings) {
  Json train = {{"epochs", {{"count", 3}}}, {"batch", 16}, {"optimizer", {{"name", "adam"}, {"learning_rate", 0.01}}},
                {"schedule", {{"name", "cosine"}}}, {"score", "last"}};
  train.update(settings);
  return {{"network", network().to_json()}, {"data", data}, {"train", train}, {"objective", {{"metric", "val_loss"}, {"maximize", false}}},
          {"seeds", {{"init", "1"}, {"order", "2"}, {"augment", "3"}, {"dropout", "4"}}}};
}

/// All values of the model after a training on a device.
Tensor trained(const Json& trial, const Machine& machine, const std::filesystem::path& folder, const std::string& read = "", const Json& until = {}) {
  std::filesystem::create_directories(folder);
  Channel channel(-1);
  train({{"trial", trial}, {"attempt", {{"write", folder.string()}, {"read", read}, {"until", until}}}}, machine, channel);
  const Weights weights(Network::from_json(trial.at("network")), 1);
  get_weights(read_tensors(folder / "model.safetensors"), "", weights, weights.parameters(), weights.buffers());
  return at::cat({weights.parameters(), weights.buffers()});
}

Tensor trained(const Json& trial, at::Device device, const std::filesystem::path& folder, const std::string& read = "", const Json& until = {}) {
  return trained(trial, Machine{.device = device}, folder, read, until);
}

double distance(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

}  // namespace

TEST_CASE("the made device's memory cannot be touched by the processor, and its tensors go nowhere by themselves") {
  const Tensor x = at::arange(6.0, at::TensorOptions(made_device())).view({2, 3});
  CHECK(at::equal((x * 2.0 + 1.0).cpu(), at::tensor({1.0F, 3.0F, 5.0F, 7.0F, 9.0F, 11.0F}).view({2, 3})));
  CHECK_THROWS(x + at::ones({2, 3}));
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGSEGV, SIG_DFL);
    _exit(x.const_data_ptr<float>()[1] > 0.0F ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
}

TEST_CASE("a training on another device gives what the processor's gives") {
  const Json more = GENERATE(Json::object(), Json{{"optimizer", {{"name", "muon"}, {"learning_rate", 0.1}, {"nesterov", true}}}, {"accumulate", 2}},
                             Json{{"optimizer", {{"name", "adamw"}, {"learning_rate", 0.01}}}, {"average", {{"name", "ema"}, {"decay", 0.9}}}, {"clip", 0.5}},
                             Json{{"optimizer", {{"name", "lion"}, {"learning_rate", 0.001}}}, {"average", {{"name", "lookahead"}}}},
                             Json{{"optimizer", {{"name", "radam"}, {"learning_rate", 0.01}}}, {"mix", {{"name", "cutmix"}}}, {"skip_easy", 0.3}},
                             Json{{"optimizer", {{"name", "sgd"}, {"learning_rate", 0.05}, {"momentum", 0.9}}}, {"mix", {{"name", "mixup"}}}});
  CAPTURE(more.dump());
  const TemporaryFolder folder;
  const Json all = trial(test::make_data(folder.path() / "data"), more);
  const Tensor here = trained(all, at::kCPU, folder.path() / "here");
  const Tensor there = trained(all, made_device(), folder.path() / "there");
  CHECK(distance(here, there) < 2e-3);
  CHECK(distance(here, trained(trial(all.at("data"), {{"epochs", {{"count", 1}}}}), at::kCPU, folder.path() / "short")) > 2e-2);
}

TEST_CASE("a training on another device goes on from its checkpoint, bit for bit") {
  const TemporaryFolder folder;
  const Json all = trial(test::make_data(folder.path() / "data"), {{"average", {{"name", "ema"}, {"decay", 0.9}}}, {"skip_easy", 0.3}});
  const Tensor whole = trained(all, made_device(), folder.path() / "whole");
  trained(all, made_device(), folder.path() / "parts", "", 1);
  CHECK(at::equal(whole, trained(all, made_device(), folder.path() / "parts", (folder.path() / "parts" / "epoch-0001.ckpt").string())));
}

TEST_CASE("a training in float16 stays near float32 where no step overflows") {
  const TemporaryFolder folder;
  const Json all = trial(test::make_data(folder.path() / "data"), {{"optimizer", {{"name", "sgd"}, {"learning_rate", 0.02}}}});
  const Tensor exact = trained(all, made_device(), folder.path() / "exact");
  trained(all, made_device(), folder.path() / "first", "", 1);
  TensorFile begun = read_tensors(folder.path() / "first" / "epoch-0001.ckpt");
  begun.tensors["scale/factor"] = {.shape = {1}, .values = {128.0F}};
  const std::filesystem::path checkpoint = folder.path() / "begun.ckpt";
  write_tensors(checkpoint, begun);
  const Machine machine{.arithmetic = at::kHalf, .device = made_device()};
  CHECK(distance(exact, trained(all, machine, folder.path() / "half", checkpoint.string())) < 0.02);
}

TEST_CASE("a training in float16 goes on from its checkpoint, bit for bit") {
  const Machine machine{.arithmetic = at::kHalf, .device = made_device()};
  const TemporaryFolder folder;
  const Json all = trial(test::make_data(folder.path() / "data"), {{"optimizer", {{"name", "adamw"}, {"learning_rate", 0.01}}}});
  const Tensor whole = trained(all, machine, folder.path() / "whole");
  trained(all, machine, folder.path() / "parts", "", 1);
  const std::filesystem::path checkpoint = folder.path() / "parts" / "epoch-0001.ckpt";
  CHECK(read_tensors(checkpoint).tensors.contains("scale/factor"));
  CHECK(at::equal(whole, trained(all, machine, folder.path() / "parts", checkpoint.string())));
}

TEST_CASE("a loss that is no number is told with its step, though it was looked at after the epoch") {
  const TemporaryFolder folder;
  const Json all = trial(test::make_data(folder.path() / "data"), {{"optimizer", {{"name", "sgd"}, {"learning_rate", 1e30}}}});
  const auto where = [&](at::Device device, const char* name) -> std::string {
    try {
      trained(all, device, folder.path() / name);
    } catch (const Failure& failure) {
      return failure.where;
    }
    return "nowhere";
  };
  const std::string here = where(at::kCPU, "here");
  CHECK(here.starts_with("epoch 1, step "));
  CHECK(where(made_device(), "there") == here);
}

TEST_CASE("what was trained is scored and looked at on another device as on the processor") {
  const TemporaryFolder folder;
  Json all = trial(test::make_data(folder.path() / "data"), {{"test_views", "mirror_shift"}});
  Network net;
  Value x = net.input("image", {1, 8, 8}, "uint8");
  x = net.conv(net.normalize(x), {.filters = 8, .kernel = 2, .padding = Padding::valid, .init = "whitening", .trained = false});
  x = net.relu(net.batch_norm(net.conv(x, {.filters = 6})));
  net.output({.head = "label", .target = "label", .layer = net.dense(net.global_max_pool(x), 2).layer, .loss = {{"name", "cross_entropy"}},
              .metrics = {"accuracy"}, .decode = {{"kind", "class"}, {"activation", "softmax"}, {"names", {"left", "right"}}}});
  all["network"] = net.to_json();
  all["data"]["features"] = {{"folder", (folder.path() / "features").string()}, {"always", true}};
  std::vector<Json> found;
  for (const at::Device device : {at::Device(at::kCPU), made_device()}) {
    const std::filesystem::path where = folder.path() / device.str();
    const Machine machine{.device = device};
    trained(all, device, where);
    Channel channel(-1);
    const Json job = {{"trial", all}, {"split", "test"}, {"attempt", {{"write", where.string()}, {"read", (where / "model.safetensors").string()}}}};
    evaluate(job, machine, channel);
    predict(job, machine, channel);
    features(job, machine, channel);
    profile(job, machine, channel);
    found.push_back(read_json_file(where / "predictions.json").at("predictions"));
    CHECK_FALSE(read_json_file(where / "features.json").at("maps").empty());
  }
  REQUIRE(found[0].size() == found[1].size());
  for (size_t i = 0; i < found[0].size(); ++i) {
    const auto of = [&](const Json& all_rows) { return all_rows.at(i).at("heads").at("label").at("probabilities").at(0).get<double>(); };
    CHECK(of(found[1]) == Approx(of(found[0])).margin(1e-3));
  }
}

TEST_CASE("bfloat16 and float16 on another device stay near float32") {
  const TemporaryFolder folder;
  const Json all = trial(test::make_data(folder.path() / "data"), Json::object());
  const auto with = [&](at::ScalarType arithmetic) {
    Channel channel(-1);
    Session session(all, Machine{.arithmetic = arithmetic, .device = made_device()}, channel);
    session.adapt();
    const at::NoGradGuard no_gradients;
    return session.outputs(session.batches().inputs(session.batches().splits().test))[0].to(at::kFloat).cpu();
  };
  const Tensor exact = with(at::kFloat);
  for (const auto& [arithmetic, error] : {std::pair(at::kBFloat16, 0.03), std::pair(at::kHalf, 0.004)}) {
    const Tensor rough = with(arithmetic);
    CHECK(distance(exact, rough) > 0.0);
    CHECK(distance(exact, rough) < error * exact.abs().max().item<double>());
  }
}

TEST_CASE("every augmentation takes pictures of another device and gives the same there") {
  const Tensor x = at::randint(0, 256, {6, 3, 12, 10}).to(at::kFloat).contiguous(at::MemoryFormat::ChannelsLast);
  const std::vector<std::function<Value(Network&, Value)>> all = {
      [](Network& n, Value v) { return n.random_flip(v, true, true); },
      [](Network& n, Value v) { return n.alternating_flip(v); },
      [](Network& n, Value v) { return n.random_translate(v, 0.2, 0.1); },
      [](Network& n, Value v) { return n.random_affine(v, {.rotate = 0.1, .zoom = 0.1, .shear = 0.1}); },
      [](Network& n, Value v) { return n.random_colour(v, {.brightness = 0.3, .contrast = 0.2, .saturation = 0.3, .hue = 0.1}); },
      [](Network& n, Value v) { return n.random_erase(v, {}); },
      [](Network& n, Value v) { return n.random_operations(v, 2, 9.0); }};
  for (const auto& emit : all) {
    Network net;
    const Value out = emit(net, net.input("image", {3, 12, 10}, "uint8"));
    CAPTURE(net.layers().back().op);
    std::vector<Tensor> seen;
    for (const at::Device device : {at::Device(at::kCPU), made_device()}) {
      const Weights weights(net, 1, device);
      Randomness randomness(3, 4);
      const Tensor y = Executor(net, weights).run({{"image", x.to(device)}}, {out.layer}, &randomness)[0];
      CHECK(y.device() == device);
      seen.push_back(y.cpu());
    }
    CHECK(distance(seen[0], seen[1]) < 0.5);
    CHECK(distance(seen[0], x) > 1.0);
  }
}

TEST_CASE("what is asked for and not there is refused") {
  CHECK(device_named("cpu") == at::Device(at::kCPU));
  CHECK_THROWS_AS(device_named("tpu"), Error);
  if (!at::hasCUDA()) {
    CHECK(device_named("auto") == at::Device(at::kCPU));
    CHECK_THROWS_AS(device_named("cuda"), Error);
  }
}
