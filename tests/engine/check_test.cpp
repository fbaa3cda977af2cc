#include "catch.h"
#include "made_data.h"
#include "trainer_process.h"

#include "espalier/network.h"

using namespace espalier;
using namespace espalier::test;

namespace {

/// What the trainer's check says of a network.
std::vector<std::string> wrong_with(const Json& network) {
  const TemporaryFolder folder;
  const Json job = {{"do", "check"}, {"trial", {{"train", {{"threads", 1}}}, {"networks", {{{"name", "it"}, {"network", network}}}}}},
                    {"attempt", Json::object()}};
  const Outcome outcome = run_trainer(job, folder.path());
  INFO(outcome.last("failed").dump());
  REQUIRE(outcome.exit_code == 0);
  return outcome.last("done").at("done").at("wrong").get<std::vector<std::string>>();
}

}  // namespace

TEST_CASE("a network of every operation has nothing wrong") {
  Network net;
  Value x = net.input("image", {1, 9, 10}, "uint8");
  x = net.normalize(net.repeat_channels(net.scale(x, 1.0 / 255.0), 3), {0.5, 0.5, 0.5}, {0.2, 0.2, 0.2});
  x = net.random_affine(net.random_flip(x, true, true), {.rotate = 0.1, .zoom = 0.2, .shear = 0.1});
  x = net.random_colour(x, {.brightness = 0.2, .contrast = 0.3, .saturation = 0.2, .hue = 0.1});
  x = net.random_operations(net.random_erase(x, {.probability = 0.5}), 2, 9.0);
  x = net.random_translate(x, 0.1, 0.2);
  x = net.growing(net.alternating_flip(x), 0.7, 0.5);
  Value y = net.silu(net.batch_norm(net.conv(x, {.filters = 6, .kernel = 4, .stride = 3, .bias = true})));
  y = net.add(y, net.drop_path(net.gelu(net.depthwise_conv(y, 2)), 0.5));
  y = net.max_pool(net.avg_pool(y, {.kernel = 2, .stride = 1, .padding = Padding::same}), {.kernel = 1, .stride = 1});
  y = net.channel_scale(net.layer_norm(net.relu6(net.hard_swish(net.activation(y, "hard_sigmoid")))), 0.5);
  const Value gate = net.sigmoid(net.dense(net.global_avg_pool(y), 6));
  y = net.resize(net.multiply(y, gate), 7, 5);
  const Value all = net.concat({net.global_max_pool(y), net.activation(net.flatten(net.relu(y)), "tanh")});
  net.output({.head = "label", .target = "label", .layer = net.dense(net.dropout(all, 0.3), 2).layer, .loss = {{"name", "cross_entropy"}},
              .decode = {{"kind", "class"}, {"activation", "softmax"}, {"names", {"a", "b"}}}});
  CHECK(wrong_with(net.to_json()) == std::vector<std::string>{});
}

TEST_CASE("weights that nothing reaches are found") {
  Network net;
  const Value x = net.dense(net.input("x", {4}, "float32"), 3);
  net.dense(net.scale(x, 0.0), 2);
  const std::vector<std::string> wrong = wrong_with(net.to_json());
  REQUIRE(wrong.size() == 1);
  CHECK(wrong[0].find("it: 'weight' of layer 1 (dense)") == 0);
  CHECK(wrong[0].find("never moves") != std::string::npos);
}

TEST_CASE("what is not finite is found") {
  Network net;
  net.dense(net.scale(net.scale(net.input("x", {4}, "float32"), 1e30), 1e30), 3);
  const std::vector<std::string> wrong = wrong_with(net.to_json());
  REQUIRE(wrong.size() == 1);
  CHECK(wrong[0].find("not finite") != std::string::npos);
}

TEST_CASE("a head whose loss cannot fall is found") {
  Network net;
  const Value x = net.dense(net.input("x", {4}, "float32"), 2);
  const Value held = net.add(net.scale(x, 1e-12), net.scale(net.flatten(x), 1e-12));
  net.output({.head = "label", .target = "label", .layer = held.layer, .loss = {{"name", "cross_entropy"}},
              .decode = {{"kind", "class"}, {"activation", "softmax"}, {"names", {"a", "b"}}}});
  const std::vector<std::string> wrong = wrong_with(net.to_json());
  REQUIRE(wrong.size() == 1);
  CHECK(wrong[0].find("does not fall") != std::string::npos);
}
