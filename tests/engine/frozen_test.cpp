// What is frozen runs as in evaluation, has no gradient and stays as it is.
#include "torch_catch.h"

#include "espalier/engine/executor.h"
#include "espalier/engine/optimizer.h"

#include <ATen/core/grad_mode.h>

using namespace espalier;
using namespace espalier::engine;
using at::Tensor;

namespace {

struct Made {
  Network net;
  size_t trunk_begin = 0;
  size_t trunk_end = 0;
  Value features;
  Value out;
};

/// A trunk with what behaves in another way in training (batch norm, dropout) and a head behind it.
Made made(bool trained_before = false) {
  Made m;
  Value x = m.net.input("image", {3, 8, 8}, "uint8");
  if (trained_before) x = m.net.conv(x, {.filters = 3, .kernel = 1});
  m.trunk_begin = m.net.layers().size();
  {
    const auto part = m.net.part("trunk");
    x = m.net.relu6(m.net.batch_norm(m.net.conv(x, {.filters = 8, .stride = 2})));
    x = m.net.silu(m.net.batch_norm(m.net.depthwise_conv(x, 3)));
    const Value y = m.net.batch_norm(m.net.conv(x, {.filters = 8, .kernel = 1}));
    x = m.net.relu(m.net.add(x, m.net.drop_path(y, 0.5)));
  }
  m.trunk_end = m.net.layers().size();
  m.features = x;
  m.out = m.net.dense(m.net.global_avg_pool(x), 4);
  return m;
}

Tensor pictures() {
  at::manual_seed(5);
  return at::rand({6, 3, 8, 8}).contiguous(at::MemoryFormat::ChannelsLast);
}

/// Statistics and scales that a network that was trained would have.
void liven(const Network& net, Weights& weights) {
  const at::NoGradGuard none;
  at::manual_seed(6);
  for (const Layer& layer : net.layers()) {
    if (layer.op != "batch_norm") continue;
    weights.get(layer.id, "running_mean").normal_(0.0, 0.3);
    weights.get(layer.id, "running_var").uniform_(0.5, 2.0);
    weights.get(layer.id, "weight").uniform_(0.5, 1.5);
    weights.get(layer.id, "bias").normal_(0.5, 0.3);
  }
}

Randomness at_epoch(int64_t epoch) {
  Randomness randomness(1, 2);
  randomness.epoch = epoch;
  return randomness;
}

Tensor run(const Made& m, const Weights& weights, Value wanted, Randomness* randomness) {
  return Executor(m.net, weights).run({{"image", pictures()}}, {wanted.layer}, randomness)[0];
}

int64_t trained_count(const Weights& weights) {
  int64_t count = 0;
  for (const Entry& entry : weights.entries()) count += entry.trained ? elements(entry.shape) : 0;
  return count;
}

}  // namespace

TEST_CASE("a frozen trunk gives the values of evaluation, has no gradient and keeps its statistics") {
  const int64_t until = GENERATE(int64_t{Layer::never}, int64_t{3});
  Made m = made();
  m.net.freeze(m.trunk_begin, m.trunk_end, until);
  Weights weights(m.net, 1);
  liven(m.net, weights);
  const std::vector<float> buffers = copy_of(weights.buffers());
  Randomness randomness = at_epoch(2);
  const Tensor features = run(m, weights, m.features, &randomness);
  CHECK_FALSE(features.requires_grad());
  const at::NoGradGuard none;
  CHECK(at::allclose(features, run(m, weights, m.features, nullptr), 0.0, 0.0));
  CHECK(buffers == copy_of(weights.buffers()));
}

TEST_CASE("a trunk that is not frozen takes the statistics of its batch") {
  Made m = made();
  m.net.freeze(m.trunk_begin, m.trunk_end, 3);
  Weights weights(m.net, 1);
  liven(m.net, weights);
  const std::vector<float> buffers = copy_of(weights.buffers());
  Randomness randomness = at_epoch(3);
  const Tensor features = run(m, weights, m.features, &randomness);
  CHECK(features.requires_grad());
  CHECK(buffers != copy_of(weights.buffers()));
}

TEST_CASE("gradients pass what is frozen behind what is trained") {
  const int64_t until = GENERATE(int64_t{Layer::never}, int64_t{3});
  Made m = made(true);
  m.net.freeze(m.trunk_begin, m.trunk_end, until);
  Weights weights(m.net, 1);
  liven(m.net, weights);
  weights.clear_gradients();
  Randomness randomness = at_epoch(0);
  run(m, weights, m.out, &randomness).square().sum().backward();
  const Tensor first = weights.get(1, "weight").grad().clone();
  CHECK(first.abs().max().item<double>() > 0.0);
  for (const Entry& entry : weights.entries())
    if (entry.trained && entry.from == "trunk") CHECK(weights.get(entry.key).grad().abs().max().item<double>() == 0.0);
  // Finite differences in evaluation, which is what the frozen part computes.
  const at::NoGradGuard none;
  Tensor weight = weights.get(1, "weight");
  const auto loss = [&] { return run(m, weights, m.out, nullptr).to(at::kDouble).square().sum().item<double>(); };
  constexpr float kStep = 1e-2F;
  for (int64_t i = 0; i < weight.numel(); i += 4) {
    float* value = weight.data_ptr<float>() + i;
    const float before = *value;
    *value = before + kStep;
    const double above = loss();
    *value = before - kStep;
    const double below = loss();
    *value = before;
    const double expected = (above - below) / (2.0 * kStep);
    CHECK(first.flatten()[i].item<double>() == Approx(expected).epsilon(0.05).margin(1e-2));
  }
}

TEST_CASE("what is never trained is no parameter, what thaws is one from its epoch on") {
  Made m = made();
  m.net.freeze(m.trunk_begin, m.trunk_end, Layer::never);
  CHECK(trained_count(Weights(m.net, 1)) == 8 * 4 + 4);
  m.net.freeze(m.trunk_begin, m.trunk_end, 2);
  const Weights weights(m.net, 1);
  CHECK(trained_count(weights) > 8 * 4 + 4);
  for (const Segment& segment : weights.segments(Json::array(), 10)) CHECK((segment.first_update == 0 || segment.first_update == 20));
}

TEST_CASE("an optimizer begins with a segment as if it were new") {
  const Json settings = GENERATE(Json{{"name", "sgd"}, {"learning_rate", 0.1}, {"momentum", 0.9}, {"nesterov", true}, {"weight_decay", 0.01}},
                                 Json{{"name", "adamw"}, {"learning_rate", 0.1}, {"weight_decay", 0.01}});
  CAPTURE(settings.dump());
  const Tensor late = at::tensor({1.0F, 2.0F});
  const Tensor fresh = at::tensor({2.0F});
  const Tensor gradients = at::tensor({0.5F, 0.25F});
  Optimizer one(settings, late, gradients, {{.begin = 0, .end = 1}, {.begin = 1, .end = 2, .first_update = 3}});
  Optimizer other(settings, fresh, gradients.narrow(0, 1, 1), {{.begin = 0, .end = 1}});
  for (int i = 0; i < 3; ++i) one.step(i, 1.0);
  CHECK(late[0].item<float>() != 1.0F);
  CHECK(late[1].item<float>() == 2.0F);
  for (int i = 0; i < 2; ++i) {
    one.step(3 + i, 1.0);
    other.step(i, 1.0);
  }
  CHECK(late[1].item<float>() == fresh[0].item<float>());
}
