#include "torch_catch.h"
#include "espalier/engine/executor.h"
#include "espalier/engine/norm_activation.h"
#include "espalier/engine/plan.h"
#include "espalier/engine/tile_pool.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <limits>
#include <string>
#include <vector>

using namespace espalier;
using namespace espalier::engine;
using at::Tensor;

namespace {

Tensor pictures(at::IntArrayRef shape, at::ScalarType type = at::kFloat) {
  return at::randn(shape).to(type).contiguous(at::MemoryFormat::ChannelsLast);
}

const std::vector<Activation> kActivations = {Activation::none,       Activation::relu, Activation::relu6,
                                              Activation::hard_swish, Activation::silu, Activation::gelu};

bool takes_residual(Activation activation) {
  return activation == Activation::none || activation == Activation::relu || activation == Activation::relu6;
}

double distance(const Tensor& a, const Tensor& b) { return (a.to(at::kFloat) - b.to(at::kFloat)).abs().max().item<double>(); }

Tensor leaf(const Tensor& x) { return x.detach().clone().requires_grad_(true); }

NormWeights norm_weights(int64_t channels) {
  return {leaf(at::rand({channels}) + 0.5), leaf(at::randn({channels})), at::zeros({channels}), at::ones({channels})};
}

Tensor activated(const Tensor& x, Activation activation) {
  if (activation == Activation::relu) return at::relu(x);
  if (activation == Activation::relu6) return at::relu6(x);
  if (activation == Activation::hard_swish) return at::hardswish(x);
  if (activation == Activation::silu) return at::silu(x);
  if (activation == Activation::gelu) return at::gelu(x);
  return x;
}

/// Results and gradients of the fused pass beside LibTorch's separate ones.
void compare(const Tensor& x, const Tensor& residual, Activation activation, double tolerance) {
  const int64_t channels = x.size(1);
  NormWeights ours = norm_weights(channels);
  NormWeights theirs{leaf(ours.scale), leaf(ours.shift), ours.running_mean.clone(), ours.running_variance.clone()};
  const Tensor x1 = leaf(x);
  const Tensor x2 = leaf(x.to(at::kFloat));
  const Tensor r1 = residual.defined() ? leaf(residual) : Tensor();
  const Tensor r2 = residual.defined() ? leaf(residual.to(at::kFloat)) : Tensor();
  const Tensor y1 = norm_activation(x1, r1, ours, activation, 0.1, 1e-5);
  const Tensor normed = at::batch_norm(x2, theirs.scale, theirs.shift, theirs.running_mean, theirs.running_variance, true, 0.1, 1e-5, false);
  const Tensor y2 = activated(r2.defined() ? normed + r2 : normed, activation);
  CHECK(y1.scalar_type() == x.scalar_type());
  CHECK(distance(y1, y2) < tolerance);
  CHECK(distance(ours.running_mean, theirs.running_mean) < tolerance);
  CHECK(distance(ours.running_variance, theirs.running_variance) < tolerance);
  const Tensor outgoing = at::randn_like(y2);
  (y1.to(at::kFloat) * outgoing).sum().backward();
  (y2 * outgoing).sum().backward();
  CHECK(distance(x1.grad(), x2.grad()) < 4 * tolerance);
  const double sums = tolerance * std::sqrt(static_cast<double>(x.numel() / channels)) * 4;
  CHECK(distance(ours.scale.grad(), theirs.scale.grad()) < sums);
  CHECK(distance(ours.shift.grad(), theirs.shift.grad()) < sums);
  if (r1.defined()) CHECK(distance(r1.grad(), r2.grad()) < 4 * tolerance);
}

std::vector<std::string> described(const Network& net, const std::vector<int>& wanted, bool training) {
  std::vector<std::string> all;
  for (const Step& step : plan(net, wanted, training)) {
    std::string text = net.layers()[step.layer].op;
    if (step.norm && *step.norm != step.layer) text = "batch_norm+" + std::string(step.adds ? "add+" : "") + text;
    if (step.conv) text = "conv+" + text;
    all.push_back(text);
  }
  return all;
}

}  // namespace

TEST_CASE("a fused batch norm gives LibTorch's values and gradients") {
  at::manual_seed(1);
  // Channels that fill vectors and that do not, few rows and many.
  const auto shape = GENERATE(std::vector<int64_t>{4, 16, 5, 5}, std::vector<int64_t>{3, 13, 4, 7}, std::vector<int64_t>{64, 3, 17, 16},
                              std::vector<int64_t>{2, 300, 2, 2});
  const auto activation = GENERATE(from_range(kActivations));
  compare(pictures(shape) * 3.0 + 2.0, Tensor(), activation, 1e-4);
  if (takes_residual(activation)) compare(pictures(shape), pictures(shape), activation, 1e-4);
}

TEST_CASE("a fused batch norm takes vectors") {
  at::manual_seed(2);
  compare(at::randn({50, 21}), Tensor(), Activation::relu, 1e-4);
}

TEST_CASE("a fused batch norm in bfloat16 is as near to float32 as its digits allow") {
  at::manual_seed(3);
  const auto activation = GENERATE(Activation::none, Activation::hard_swish, Activation::silu, Activation::gelu);
  compare(pictures({8, 24, 6, 6}, at::kBFloat16), Tensor(), activation, 0.05);
  compare(pictures({8, 24, 6, 6}, at::kBFloat16), pictures({8, 24, 6, 6}, at::kBFloat16), Activation::none, 0.05);
}

TEST_CASE("a settled batch norm is that of its running statistics, into its input or not") {
  at::manual_seed(9);
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const auto activation = GENERATE(from_range(kActivations));
  const NormWeights weights{at::randn({21}), at::randn({21}), at::randn({21}), at::rand({21}) + 0.5};
  const Tensor x = pictures({3, 21, 4, 5}, type);
  const Tensor residual = takes_residual(activation) ? pictures({3, 21, 4, 5}, type) : Tensor();
  Tensor expected =
      at::batch_norm(x.to(at::kFloat), weights.scale, weights.shift, weights.running_mean, weights.running_variance, false, 0.1, 1e-5, false);
  if (residual.defined()) expected = expected + residual.to(at::kFloat);
  expected = activated(expected, activation);
  const double tolerance = type == at::kFloat ? 1e-4 : 0.05;
  const Tensor kept = x.clone();
  const Tensor y = settled_norm_activation(x, residual, evaluation_norm(weights, 1e-5), activation, false);
  CHECK(distance(y, expected) < tolerance);
  CHECK(at::equal(x, kept));
  CHECK(distance(settled_norm_activation(x, residual, evaluation_norm(weights, 1e-5), activation, true), expected) < tolerance);
  CHECK(distance(x, expected) < tolerance);
}

TEST_CASE("a fused batch norm loses no digits to a large mean") {
  at::manual_seed(4);
  const Tensor x = pictures({8, 16, 8, 8}) + 1000.0;
  NormWeights weights{at::ones({16}), at::zeros({16}), at::zeros({16}), at::ones({16})};
  const Tensor y = norm_activation(x, Tensor(), weights, Activation::none, 0.1, 1e-5);
  CHECK(distance(y.var(at::IntArrayRef{0, 2, 3}, false), at::ones({16})) < 1e-3);
}

TEST_CASE("sums do not depend on the number of threads") {
  at::manual_seed(5);
  const Tensor x = pictures({32, 24, 15, 15});
  const NormWeights weights{at::ones({24}), at::zeros({24}), at::zeros({24}), at::ones({24})};
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Tensor one = norm_activation(x, Tensor(), weights, Activation::silu, 0.1, 1e-5);
  at::set_num_threads(3);
  const Tensor three = norm_activation(x, Tensor(), weights, Activation::silu, 0.1, 1e-5);
  at::set_num_threads(threads);
  CHECK(at::equal(one, three));
}

TEST_CASE("the largest of tiles and its gradient are LibTorch's") {
  at::manual_seed(6);
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const auto kernel = GENERATE(2, 3);
  const auto shape = GENERATE(std::vector<int64_t>{2, 8, 6, 6}, std::vector<int64_t>{3, 13, 7, 8});
  const Tensor x1 = leaf(pictures(shape, type));
  const Tensor x2 = leaf(x1);
  const Tensor y1 = max_of_tiles(x1, {.kernel = kernel, .height = shape[2] / kernel, .width = shape[3] / kernel});
  const Tensor y2 = at::max_pool2d(x2, {kernel, kernel}, {kernel, kernel});
  CHECK(at::equal(y1, y2));
  const Tensor outgoing = at::randn_like(y2);
  (y1 * outgoing).sum().backward();
  (y2 * outgoing).sum().backward();
  CHECK(at::equal(x1.grad(), x2.grad()));
}

TEST_CASE("tiles that stand out of the picture count what lies on it") {
  const Tensor x = leaf(pictures({2, 5, 5, 5}) - 10.0);
  const Tensor y1 = max_of_tiles(x, {.kernel = 2, .height = 3, .width = 3});
  const Tensor around = at::constant_pad_nd(x, {0, 1, 0, 1}, -std::numeric_limits<double>::infinity());
  CHECK(at::equal(y1, at::max_pool2d(around, {2, 2}, {2, 2})));
  y1.sum().backward();
  CHECK(x.grad().sum().item<double>() == Approx(2 * 5 * 9));
}

TEST_CASE("not a number is seen through pooling") {
  Tensor x = pictures({1, 8, 4, 4});
  x.index_put_({at::tensor(0L), at::tensor(3L), at::tensor(1L), at::tensor(1L)}, std::numeric_limits<float>::quiet_NaN());
  const Tensor y = max_of_tiles(x, {.kernel = 2, .height = 2, .width = 2});
  CHECK(y.isnan().sum().item<int64_t>() == 1);
}

TEST_CASE("not a number is seen through batch norm and activation, forwards and backwards") {
  const auto type = GENERATE(at::kFloat, at::kBFloat16);
  const auto channels = GENERATE(16, 5);
  const auto activation = GENERATE(from_range(kActivations));
  Tensor x = at::ones({1, channels, 2, 2}).to(type).contiguous(at::MemoryFormat::ChannelsLast);
  x.index_put_({at::tensor(0L), at::tensor(3L), at::tensor(1L), at::tensor(1L)}, std::numeric_limits<float>::quiet_NaN());
  const NormWeights weights{at::ones({channels}), at::zeros({channels}), at::zeros({channels}), at::ones({channels})};
  CHECK(settled_norm_activation(x, Tensor(), evaluation_norm(weights, 1e-5), activation, false).isnan().sum().item<int64_t>() == 1);
  const Tensor wanting = leaf(x);
  const Tensor y = norm_activation(wanting, Tensor(), weights, activation, 0.1, 1e-5);
  CHECK(y.isnan().sum().item<int64_t>() == 4);  // all that shares the mean
  y.backward(at::ones_like(y));
  CHECK(wanting.grad().isnan().sum().item<int64_t>() == 4);
}

TEST_CASE("in evaluation a batch norm writes into nobody else's memory") {
  const at::NoGradGuard no_gradients;
  at::manual_seed(7);
  Network net;
  const Value x = net.input("x", {3, 4, 4}, "float32");
  const Value norm = net.relu(net.batch_norm(x));  // of what the caller gave
  const Value conv = net.conv(x, {.filters = 4});
  const Value branch = net.add(net.max_pool(conv), net.max_pool(net.relu(net.batch_norm(net.dropout(conv, 0.5)))));
  const Value flat = net.flatten(conv);
  const Value vectors = net.add(net.relu(net.batch_norm(flat)), net.flatten(conv));
  const Weights weights(net, 1);
  const Executor executor(net, weights);
  const Tensor given = pictures({2, 3, 4, 4});
  const Inputs inputs = {{"x", given.clone()}};
  const auto value_of = [&](const Value& value) { return executor.run(inputs, {value.layer}, nullptr)[0].contiguous(); };
  const auto normed = [](const Tensor& values) { return at::relu(values / std::sqrt(1.0 + 1e-5)); };
  CHECK(distance(value_of(norm), normed(given)) < 1e-5);
  CHECK(at::equal(inputs.at("x"), given));
  const Tensor convolved = value_of(conv);
  CHECK(distance(value_of(branch), at::max_pool2d(convolved, {2, 2}) + at::max_pool2d(normed(convolved), {2, 2})) < 1e-5);
  CHECK(distance(value_of(vectors), normed(convolved).flatten(1) + convolved.flatten(1)) < 1e-5);
}

TEST_CASE("batch norms run with what follows, in evaluation those alone with the convolution before") {
  Network net;
  const Value x = net.input("image", {3, 8, 8}, "uint8");
  const Value a = net.relu(net.batch_norm(net.conv(x, {.filters = 4})));
  const Value b = net.batch_norm(net.conv(a, {.filters = 4}));
  const Value c = net.relu(net.add(b, a));
  const Value d = net.silu(net.batch_norm(c));
  const Value e = net.batch_norm(net.conv(d, {.filters = 2}));
  using Texts = std::vector<std::string>;
  const Texts common = {"input", "conv", "batch_norm+relu", "conv", "batch_norm+add+relu", "batch_norm+silu"};
  const auto followed = [&](Texts texts, const Texts& more) { return texts.insert(texts.end(), more.begin(), more.end()), texts; };
  CHECK(described(net, {e.layer}, true) == followed(common, {"conv", "batch_norm"}));
  CHECK(described(net, {e.layer}, false) == followed(common, {"conv+batch_norm"}));
  Network mobile;
  const Value y = mobile.input("image", {3, 8, 8}, "uint8");
  const Value f = mobile.relu6(mobile.batch_norm(mobile.conv(y, {.filters = 4})));
  const Value g = mobile.hard_swish(mobile.batch_norm(mobile.conv(f, {.filters = 4})));
  CHECK((described(mobile, {g.layer}, true) == Texts{"input", "conv", "batch_norm+relu6", "conv", "batch_norm+hard_swish"}));
  // What somebody else reads runs alone.
  CHECK((described(net, {b.layer, c.layer}, true) == Texts{"input", "conv", "batch_norm+relu", "conv", "batch_norm", "add", "relu"}));
}

TEST_CASE("folding batch norms changes no prediction") {
  at::manual_seed(7);
  Network net;
  const Value x = net.input("image", {3, 9, 9}, "uint8");
  const Value first = net.conv(x, {.filters = 8, .bias = true});
  const Value second = net.conv(net.relu(net.batch_norm(first)), {.filters = 6, .stride = 2});
  const Value third = net.conv(net.silu(net.batch_norm(second)), {.filters = 5});
  const Value last = net.batch_norm(third);
  Weights weights(net, 1);
  weights.buffers().copy_(0.5 + at::rand_like(weights.buffers()));
  const Executor executor(net, weights);
  const at::NoGradGuard none;
  const Inputs inputs = {{"image", pictures({4, 3, 9, 9})}};
  const Tensor folded = executor.run(inputs, {last.layer}, nullptr)[0];
  const Tensor apart = executor.run(inputs, {last.layer, first.layer, second.layer, third.layer}, nullptr)[0];
  CHECK(distance(folded, apart) < 1e-5);
}
