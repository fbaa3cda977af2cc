#include "torch_catch.h"
#include "espalier/engine/device.h"
#include "espalier/engine/losses.h"
#include "espalier/engine/scores.h"
#include "espalier/engine/session.h"
#include "espalier/engine/weights.h"
#include "espalier/error.h"

#include <ATen/ATen.h>

#include <cmath>
#include <string>
#include <tuple>
#include <vector>

using namespace espalier;
using namespace espalier::engine;

namespace {

using at::Tensor;

/// A head's output on column "y" of a network without weights.
struct Head {
  Head(const Json& loss, const Json& decode, int64_t width) {
    const Value x = net.input("x", {width}, "float32");
    net.output({.head = "y", .target = "y", .layer = x.layer, .loss = loss, .decode = decode});
  }
  const Output& output() const { return net.outputs()[0]; }
  Network net;
};

Json classes(int64_t count) {
  Json names = Json::array();
  for (int64_t i = 0; i < count; ++i) names.push_back("class" + std::to_string(i));
  return {{"kind", "class"}, {"activation", "softmax"}, {"names", names}};
}

double loss_of(const Head& head, const Tensor& train_targets, const Tensor& values, const Tensor& targets) {
  const Weights weights(head.net, 1);
  return HeadLoss(head.output(), train_targets, weights, true)(values, targets).item<double>();
}

}  // namespace

TEST_CASE("weights begin with the moments of their initialisation and differ by seed") {
  Network net;
  const Value x = net.input("x", {64, 8, 8}, "uint8");
  // A layer's weight: its deviation, its largest value where that is bounded, and its fourth moment in units of the
  // deviation, which is 3 for normal values and 9/5 for uniform ones.
  struct Row {
    int layer;
    double deviation;
    double limit;
    double fourth;
    int64_t first = 0;  ///< row of the matrix from which on values are drawn
  };
  const double fan = 64 * 9;
  const auto conv = [&](const char* init) { return net.conv(x, {.filters = 256, .init = init}).layer; };
  const auto uniform = [](int layer, double limit, int64_t first = 0) { return Row{layer, limit / std::sqrt(3.0), limit, 1.8, first}; };
  const std::vector<Row> rows = {{conv("kaiming"), std::sqrt(2.0 / fan), 1.0, 3.0},
                                 {net.conv(x, {.filters = 1024, .kernel = 5, .groups = 64}).layer, std::sqrt(2.0 / 25), 2.0, 3.0},
                                 uniform(conv("kaiming_uniform"), std::sqrt(1.0 / fan)),
                                 uniform(conv("whitening"), std::sqrt(1.0 / fan)),
                                 uniform(conv("dirac"), std::sqrt(1.0 / fan), 64),
                                 uniform(net.dense(net.flatten(x), 50).layer, std::sqrt(6.0 / (4096 + 50)))};
  const Weights weights(net, 5), same(net, 5), other(net, 6);
  for (const Row& row : rows) {
    CAPTURE(row.layer, net.layers()[static_cast<size_t>(row.layer)].set.dump());
    const Tensor whole = weights.get(row.layer, "weight");
    const Tensor w = whole.narrow(0, row.first, whole.size(0) - row.first).to(at::kDouble);
    CHECK(w.mean().item<double>() == Approx(0.0).margin(0.02 * row.deviation));
    CHECK(w.std().item<double>() == Approx(row.deviation).epsilon(0.02));
    CHECK(w.div(row.deviation).pow(4).mean().item<double>() == Approx(row.fourth).epsilon(0.05));
    CHECK(w.abs().max().item<double>() <= row.limit);
    CHECK(same.get(row.layer, "weight").equal(whole));
    CHECK_FALSE(other.get(row.layer, "weight").equal(whole));
  }
}

TEST_CASE("thresholds begin as the logits of a uniform distribution") {
  Network net;
  const int layer = net.thresholds(net.input("x", {2}, "float32"), 4).layer;
  const Tensor levels = Weights(net, 5).get(layer, "bias");
  REQUIRE(levels.sizes() == at::IntArrayRef{2, 4});
  CHECK(at::allclose(at::sigmoid(levels[0]), at::tensor({0.875F, 0.625F, 0.375F, 0.125F})));
  CHECK(levels[1].equal(levels[0]));
}

TEST_CASE("weights that begin as constants do so") {
  Network net;
  const Value x = net.conv(net.input("x", {4, 8, 8}, "uint8"), {.filters = 8, .bias = true});
  const Value scaled = net.channel_scale(net.layer_norm(net.batch_norm(x)), 0.25);
  const Value out = net.dense(net.global_avg_pool(scaled), 3);
  const Weights weights(net, 5);
  const std::vector<std::tuple<int, const char*, double>> constants = {
      {1, "bias", 0.0}, {2, "weight", 1.0}, {2, "bias", 0.0}, {2, "running_mean", 0.0}, {2, "running_var", 1.0}, {3, "weight", 1.0},
      {3, "bias", 0.0}, {4, "weight", 0.25}, {out.layer, "bias", 0.0}};
  for (const auto& [layer, name, value] : constants) {
    CAPTURE(layer, name);
    CHECK(weights.get(layer, name).eq(value).all().item<bool>());
  }
  // The first filters pass their channel on, whatever the seed.
  Network passing;
  const Value y = passing.conv(passing.input("x", {4, 8, 8}, "uint8"), {.filters = 8, .init = "dirac"});
  const Tensor first = Weights(passing, 5).get(y.layer, "weight").narrow(0, 0, 4);
  CHECK(first.select(3, 1).select(2, 1).equal(at::eye(4)));
  CHECK(first.sum().item<double>() == 4.0);
}

TEST_CASE("balanced classes weigh the same in sum, however rare") {
  const Json loss = {{"name", "cross_entropy"}, {"class_weights", "balanced"}};
  const Tensor targets = at::tensor({0, 0, 0, 1}, at::kLong);
  const Tensor values = at::tensor({1.0F, 0.0F, 1.0F, 0.0F, 1.0F, 0.0F, 1.0F, 0.0F}).view({4, 2});
  const double right = std::log(1.0 + std::exp(-1.0)), wrong = std::log(1.0 + std::exp(1.0));
  CHECK(loss_of(Head(loss, classes(2), 2), targets, values, targets) == Approx(0.5 * right + 0.5 * wrong));
  CHECK(loss_of(Head({{"name", "cross_entropy"}}, classes(2), 2), targets, values, targets) == Approx(0.75 * right + 0.25 * wrong));
  // One logit: the one positive weighs as much as the three negatives, and a sample 1 in the mean.
  const Json binary = {{"kind", "class"}, {"activation", "sigmoid"}, {"names", {"no", "yes"}}};
  const Tensor logits = at::full({4, 1}, -1.0);
  CHECK(loss_of(Head({{"name", "binary_cross_entropy"}, {"class_weights", "balanced"}}, binary, 1), targets, logits, targets) ==
        Approx(0.5 * right + 0.5 * wrong));
  // A class that training does not know counts like any sample.
  const Tensor other = at::tensor({2}, at::kLong);
  CHECK(loss_of(Head(loss, classes(3), 3), targets, at::zeros({1, 3}), other) == Approx(std::log(3.0)));
}

TEST_CASE("smoothed labels share a part with the other classes") {
  const Tensor values = at::tensor({2.0F, -1.0F, 0.5F}).view({1, 3});
  const Tensor target = at::tensor({1}, at::kLong);
  const Tensor logs = at::log_softmax(values, 1);
  const double expected = -(0.9 * logs[0][1].item<double>() + 0.1 * logs.mean().item<double>());
  CHECK(loss_of(Head({{"name", "cross_entropy"}, {"label_smoothing", 0.1}}, classes(3), 3), target, values, target) == Approx(expected));
  const Json binary = {{"kind", "class"}, {"activation", "sigmoid"}, {"names", {"no", "yes"}}};
  const double no = std::log(1.0 + std::exp(1.5)), yes = std::log(1.0 + std::exp(-1.5));
  CHECK(loss_of(Head({{"name", "binary_cross_entropy"}, {"label_smoothing", 0.2}}, binary, 1), target, at::full({1, 1}, 1.5), target) ==
        Approx(0.9 * yes + 0.1 * no));
}

TEST_CASE("samples without a target do not count") {
  const Tensor values = at::tensor({1.0F, 0.0F, 0.0F, 5.0F}).view({2, 2});
  const Tensor one = at::tensor({0, -1}, at::kLong);
  const Head head({{"name", "cross_entropy"}}, classes(2), 2);
  CHECK(loss_of(head, one, values, one) == Approx(std::log(1.0 + std::exp(-1.0))));
  const Tensor none = at::tensor({-1, -1}, at::kLong);
  CHECK(loss_of(head, one, values, none) == 0.0);
  const Weights weights(head.net, 1);
  HeadScores scores(head.output(), weights, {"accuracy"});
  scores.add(values, none);
  CHECK(scores.metrics().empty());
  scores.add(values, one);
  CHECK(scores.metrics().at("accuracy") == 1.0);
}

TEST_CASE("numbers are trained in deviations and scored in their own units") {
  const Head head({{"name", "mse"}}, {{"kind", "numbers"}, {"names", {"a", "b"}}}, 2);
  const Weights weights(head.net, 1);
  const Tensor targets = at::tensor({10.0F, 1.0F, 30.0F, 3.0F}).view({2, 2});
  const HeadLoss loss(head.output(), targets, weights, true);
  CHECK(weights.get("target.y.mean").equal(at::tensor({20.0F, 2.0F})));
  CHECK(weights.get("target.y.std").equal(at::tensor({10.0F, 1.0F})));
  CHECK(loss(at::zeros({2, 2}), targets).item<double>() == Approx(1.0));
  HeadScores scores(head.output(), weights, {"mse"});
  scores.add(at::tensor({-1.0F, -1.0F, 1.0F, 2.0F}).view({2, 2}), targets);
  CHECK(scores.metrics().at("mse").get<double>() == Approx(0.25));
  CHECK(decode(head.output(), at::ones({1, 2}), weights).equal(at::tensor({30.0F, 3.0F}).view({1, 2})));
  CHECK(baseline(head.output(), targets, targets).at("mse").get<double>() == Approx((100.0 + 1.0) / 2));
}

TEST_CASE("a precision that the machine does not have is refused when asked for") {
  for (const bool on_processor : {true, false}) {
    CHECK(arithmetic_of("auto", on_processor, true) == at::kBFloat16);
    CHECK(arithmetic_of("bf16", on_processor, true) == at::kBFloat16);
    CHECK(arithmetic_of("float32", on_processor, true) == at::kFloat);
    CHECK_THROWS_AS(arithmetic_of("bf16", on_processor, false), Error);
  }
  CHECK(arithmetic_of("auto", true, false) == at::kFloat);
  CHECK(arithmetic_of("auto", false, false) == at::kHalf);
  CHECK(arithmetic_of("fp16", false, true) == at::kHalf);
  CHECK_THROWS_AS(arithmetic_of("fp16", true, true), Error);
  // What was trained elsewhere is looked at with the digits that are there.
  CHECK(nearest_arithmetic("bf16", true, false) == at::kFloat);
  CHECK(nearest_arithmetic("fp16", true, true) == at::kFloat);
  CHECK(nearest_arithmetic("fp16", false, false) == at::kHalf);
  CHECK(nearest_arithmetic("bf16", true, true) == at::kBFloat16);
}
