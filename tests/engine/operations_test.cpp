#include "torch_catch.h"
#include "espalier/engine/executor.h"
#include "espalier/engine/weights.h"

#include <ATen/ATen.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

using namespace espalier;
using namespace espalier::engine;

namespace {

using at::Tensor;

/// A weight of the network by layer id and name, as a leaf of the reference's own graph.
using WeightOf = std::function<Tensor(int, const char*)>;

struct Case {
  const char* name;
  Shape shape;
  std::function<Value(Network&, Value)> emit;
  std::function<Tensor(const Tensor&, const WeightOf&)> reference;  ///< by LibTorch's own functions
};

Tensor normed(const Tensor& x, const WeightOf& w, int layer) {
  return at::batch_norm(x, w(layer, "weight"), w(layer, "bias"), {}, {}, true, 0.1, 1e-5, false);
}

Tensor conv_of(const Tensor& x, const Tensor& weight, int64_t stride, int64_t groups = 1) {
  return at::conv2d(x, weight, {}, at::IntArrayRef{stride, stride}, at::IntArrayRef{0, 0}, at::IntArrayRef{1, 1}, groups);
}

/// Columns then rows, before and after.
Tensor bordered(const Tensor& x, std::vector<int64_t> by, double value = 0.0) { return at::constant_pad_nd(x, by, value); }

constexpr double kLowest = -1e30;

const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = {
      {"conv, stride 1", {3, 7, 6}, [](Network& n, Value x) { return n.conv(x, {.filters = 5}); },
       [](const Tensor& x, const WeightOf& w) { return conv_of(bordered(x, {1, 1, 1, 1}), w(1, "weight"), 1); }},
      // 7 x 6 by 2: 4 x 3 windows of 3 pixels span 9 x 7, so that 1 + 1 rows are missing and 0 + 1 columns.
      {"conv, stride 2, uneven padding", {3, 7, 6}, [](Network& n, Value x) { return n.conv(x, {.filters = 4, .stride = 2}); },
       [](const Tensor& x, const WeightOf& w) { return conv_of(bordered(x, {0, 1, 1, 1}), w(1, "weight"), 2); }},
      {"conv without padding, with bias", {3, 7, 6},
       [](Network& n, Value x) { return n.conv(x, {.filters = 4, .kernel = 2, .padding = Padding::valid, .bias = true}); },
       [](const Tensor& x, const WeightOf& w) { return conv_of(x, w(1, "weight"), 1) + w(1, "bias").view({1, -1, 1, 1}); }},
      {"grouped conv", {4, 5, 5}, [](Network& n, Value x) { return n.conv(x, {.filters = 6, .groups = 2}); },
       [](const Tensor& x, const WeightOf& w) { return conv_of(bordered(x, {1, 1, 1, 1}), w(1, "weight"), 1, 2); }},
      {"depthwise conv", {4, 6, 6}, [](Network& n, Value x) { return n.depthwise_conv(x, 3, 2); },
       [](const Tensor& x, const WeightOf& w) { return conv_of(bordered(x, {0, 1, 0, 1}), w(1, "weight"), 2, 4); }},
      {"dense", {6}, [](Network& n, Value x) { return n.dense(x, 4); },
       [](const Tensor& x, const WeightOf& w) { return at::linear(x, w(1, "weight"), w(1, "bias")); }},
      {"thresholds", {3}, [](Network& n, Value x) { return n.thresholds(x, 4); },
       [](const Tensor& x, const WeightOf& w) { return (x.unsqueeze(2) + w(1, "bias")).flatten(1); }},
      {"batch norm without a scale", {3, 5, 4}, [](Network& n, Value x) { return n.batch_norm(x, {.scale = false}); },
       [](const Tensor& x, const WeightOf& w) { return at::batch_norm(x, {}, w(1, "bias"), {}, {}, true, 0.1, 1e-5, false); }},
      {"batch norm", {3, 5, 4}, [](Network& n, Value x) { return n.batch_norm(x); },
       [](const Tensor& x, const WeightOf& w) { return normed(x, w, 1); }},
      {"batch norm of vectors", {7}, [](Network& n, Value x) { return n.batch_norm(x); },
       [](const Tensor& x, const WeightOf& w) { return normed(x, w, 1); }},
      {"batch norm and relu", {20, 5, 4}, [](Network& n, Value x) { return n.relu(n.batch_norm(x)); },
       [](const Tensor& x, const WeightOf& w) { return at::relu(normed(x, w, 1)); }},
      {"batch norm and silu", {3, 5, 4}, [](Network& n, Value x) { return n.silu(n.batch_norm(x)); },
       [](const Tensor& x, const WeightOf& w) { return at::silu(normed(x, w, 1)); }},
      {"batch norm and sum", {3, 5, 4}, [](Network& n, Value x) {
         const Value normed_x = n.batch_norm(x);
         return n.add(n.activation(x, "tanh"), normed_x);
       },
       [](const Tensor& x, const WeightOf& w) { return at::tanh(x) + normed(x, w, 1); }},
      {"batch norm, sum and relu", {3, 5, 4}, [](Network& n, Value x) {
         const Value normed_x = n.batch_norm(x);
         return n.relu(n.add(normed_x, n.activation(x, "tanh")));
       },
       [](const Tensor& x, const WeightOf& w) { return at::relu(normed(x, w, 1) + at::tanh(x)); }},
      {"layer norm", {20, 5, 4}, [](Network& n, Value x) { return n.layer_norm(x); },
       [](const Tensor& x, const WeightOf& w) {
         const Tensor mean = x.mean(1, true);
         const Tensor deviation = (x - mean).square().mean(1, true).add(1e-5).sqrt();
         return (x - mean) / deviation * w(1, "weight").view({1, -1, 1, 1}) + w(1, "bias").view({1, -1, 1, 1});
       }},
      {"layer norm of vectors", {7}, [](Network& n, Value x) { return n.layer_norm(x, 0.1); },
       [](const Tensor& x, const WeightOf& w) { return at::layer_norm(x, {7}, w(1, "weight"), w(1, "bias"), 0.1); }},
      {"scale of channels", {3, 4, 5}, [](Network& n, Value x) { return n.channel_scale(x, 0.5); },
       [](const Tensor& x, const WeightOf& w) { return x * w(1, "weight").view({1, -1, 1, 1}); }},
      {"scale of features", {5}, [](Network& n, Value x) { return n.channel_scale(x); },
       [](const Tensor& x, const WeightOf& w) { return x * w(1, "weight"); }},
      {"relu", {3, 4, 4}, [](Network& n, Value x) { return n.relu(x); }, [](const Tensor& x, const WeightOf&) { return at::relu(x); }},
      {"silu", {3, 4, 4}, [](Network& n, Value x) { return n.silu(x); }, [](const Tensor& x, const WeightOf&) { return at::silu(x); }},
      {"gelu", {3, 4, 4}, [](Network& n, Value x) { return n.gelu(x); }, [](const Tensor& x, const WeightOf&) { return at::gelu(x); }},
      {"sigmoid", {9}, [](Network& n, Value x) { return n.sigmoid(x); }, [](const Tensor& x, const WeightOf&) { return at::sigmoid(x); }},
      // Wide enough for both of their ends.
      {"relu6", {40}, [](Network& n, Value x) { return n.relu6(n.scale(x, 8.0)); },
       [](const Tensor& x, const WeightOf&) { return at::hardtanh(x * 8.0, 0.0, 6.0); }},
      {"relu6 over what it read", {3, 4, 4}, [](Network& n, Value x) { return n.relu6(n.conv(n.scale(x, 8.0), {.filters = 4, .kernel = 1})); },
       [](const Tensor& x, const WeightOf& w) { return at::hardtanh(conv_of(x * 8.0, w(2, "weight"), 1), 0.0, 6.0); }},
      {"hard sigmoid", {40}, [](Network& n, Value x) { return n.hard_sigmoid(n.scale(x, 4.0)); },
       [](const Tensor& x, const WeightOf&) { return (x * 4.0 / 6.0 + 0.5).clamp(0.0, 1.0); }},
      {"hard swish", {3, 4, 4}, [](Network& n, Value x) { return n.hard_swish(n.scale(x, 4.0)); },
       [](const Tensor& x, const WeightOf&) { return x * 4.0 * (x * 4.0 / 6.0 + 0.5).clamp(0.0, 1.0); }},
      {"max pool", {3, 6, 8}, [](Network& n, Value x) { return n.max_pool(x); },
       [](const Tensor& x, const WeightOf&) { return at::max_pool2d(x, {2, 2}); }},
      {"max pool, padded", {3, 7, 5}, [](Network& n, Value x) { return n.max_pool(x, {.padding = Padding::same}); },
       [](const Tensor& x, const WeightOf&) { return at::max_pool2d(bordered(x, {0, 1, 0, 1}, kLowest), {2, 2}); }},
      {"overlapping max pool", {3, 7, 6}, [](Network& n, Value x) { return n.max_pool(x, {.kernel = 3, .padding = Padding::same}); },
       [](const Tensor& x, const WeightOf&) { return at::max_pool2d(bordered(x, {0, 1, 1, 1}, kLowest), {3, 3}, {2, 2}); }},
      {"avg pool", {3, 6, 9}, [](Network& n, Value x) { return n.avg_pool(x, {.kernel = 3, .stride = 3}); },
       [](const Tensor& x, const WeightOf&) { return at::avg_pool2d(x, {3, 3}); }},
      {"avg pool, padding left out", {2, 5, 5}, [](Network& n, Value x) { return n.avg_pool(x, {.padding = Padding::same}); },
       [](const Tensor& x, const WeightOf&) {
         return at::avg_pool2d(bordered(x, {0, 1, 0, 1}), {2, 2}) / at::avg_pool2d(bordered(at::ones_like(x), {0, 1, 0, 1}), {2, 2});
       }},
      {"global avg pool", {3, 4, 5}, [](Network& n, Value x) { return n.global_avg_pool(x); },
       [](const Tensor& x, const WeightOf&) { return at::adaptive_avg_pool2d(x, {1, 1}).flatten(1); }},
      {"global max pool", {3, 4, 5}, [](Network& n, Value x) { return n.global_max_pool(x); },
       [](const Tensor& x, const WeightOf&) { return std::get<0>(at::adaptive_max_pool2d(x, {1, 1})).flatten(1); }},
      // Channel by channel, then rows, as (C, H, W) is read.
      {"flatten", {2, 3, 4}, [](Network& n, Value x) { return n.flatten(x); },
       [](const Tensor& x, const WeightOf&) { return x.contiguous().reshape({x.size(0), -1}); }},
      {"resize", {2, 4, 4}, [](Network& n, Value x) { return n.resize(x, 7, 3); },
       [](const Tensor& x, const WeightOf&) { return at::upsample_bilinear2d(x, {7, 3}, false); }},
      {"repeat channels", {2, 3, 3}, [](Network& n, Value x) { return n.repeat_channels(x, 3); },
       [](const Tensor& x, const WeightOf&) { return at::cat({x, x, x}, 1); }},
      {"add three", {5}, [](Network& n, Value x) { return n.add({x, n.relu(x), n.sigmoid(x)}); },
       [](const Tensor& x, const WeightOf&) { return x + at::relu(x) + at::sigmoid(x); }},
      {"concat", {2, 3, 3}, [](Network& n, Value x) { return n.concat({n.relu(x), x}); },
       [](const Tensor& x, const WeightOf&) { return at::cat({at::relu(x), x}, 1); }},
      {"gate of channels", {3, 4, 4}, [](Network& n, Value x) { return n.multiply(x, n.sigmoid(n.global_avg_pool(x))); },
       [](const Tensor& x, const WeightOf&) { return x * at::sigmoid(x.mean(at::IntArrayRef{2, 3}, true)); }},
      {"product", {6}, [](Network& n, Value x) { return n.multiply(x, n.sigmoid(x)); },
       [](const Tensor& x, const WeightOf&) { return x * at::sigmoid(x); }},
      {"scale", {3, 2, 2}, [](Network& n, Value x) { return n.scale(x, -2.0, 0.5); },
       [](const Tensor& x, const WeightOf&) { return x * -2.0 + 0.5; }},
      {"normalize", {2, 3, 3}, [](Network& n, Value x) { return n.normalize(x, {1.0, -2.0}, {0.5, 4.0}); },
       [](const Tensor& x, const WeightOf&) {
         return (x - at::tensor({1.0F, -2.0F}).view({1, 2, 1, 1})) / at::tensor({0.5F, 4.0F}).view({1, 2, 1, 1});
       }},
  };
  return kCases;
}

Tensor input_for(const Shape& shape) {
  const at::Generator generator = Randomness(1, 11).dropout;
  std::vector<int64_t> sizes = {5};
  sizes.insert(sizes.end(), shape.begin(), shape.end());
  const Tensor x = at::empty(sizes).normal_(0.3, 1.2, generator);
  return shape.size() == 3 ? x.contiguous(at::MemoryFormat::ChannelsLast) : x;
}

/// Weights that differ from their first values: a scale of ones would hide a missing scale.
void disturb(const Weights& weights) {
  const at::Generator generator = Randomness(1, 12).dropout;
  const Tensor noise = at::empty_like(weights.parameters()).normal_(0.0, 0.3, generator);
  weights.parameters().add_(0.3).add_(noise);
}

bool close(const Tensor& a, const Tensor& b) { return a.sizes() == b.sizes() && at::allclose(a, b, 1e-4, 1e-4); }

}  // namespace

TEST_CASE("every operation does forwards and backwards what LibTorch's own does") {
  for (const Case& one : cases()) {
    DYNAMIC_SECTION(one.name) {
      Network net;
      const Value out = one.emit(net, net.input("x", one.shape, one.shape.size() == 3 ? "uint8" : "float32"));
      const Weights weights(net, 1);
      disturb(weights);
      const Executor executor(net, weights);
      Tensor x = input_for(one.shape).requires_grad_(true);
      Randomness randomness(1, 2);
      const Tensor ours = executor.run({{"x", x}}, {out.layer}, &randomness)[0];

      Tensor reference_x = x.detach().clone().requires_grad_(true);
      std::map<std::string, Tensor> leaves;
      const Tensor theirs = one.reference(reference_x, [&](int layer, const char* name) {
        return leaves.try_emplace(std::to_string(layer) + "." + name, weights.get(layer, name).detach().clone().requires_grad_(true)).first->second;
      });
      CHECK(close(ours, theirs));
      const Network read = Network::from_json(Json::parse(net.to_json().dump()));
      CHECK(read.to_json() == net.to_json());
      Randomness same(1, 2);
      CHECK(Executor(read, weights).run({{"x", x}}, {out.layer}, &same)[0].equal(ours));
      const Tensor factors = at::linspace(-1.0, 1.3, theirs.numel()).view(theirs.sizes());
      (ours * factors).sum().backward();
      (theirs * factors).sum().backward();
      CHECK(close(x.grad(), reference_x.grad()));
      for (const auto& [key, leaf] : leaves) {
        CAPTURE(key);
        CHECK(close(weights.get(key).grad(), leaf.grad()));
      }
      for (const Entry& entry : weights.entries())
        if (entry.trained) CHECK(leaves.contains(entry.key));
    }
  }
}

TEST_CASE("batch norm follows the batches in training and holds still in evaluation") {
  Network net;
  const Value out = net.batch_norm(net.conv(net.input("x", {3, 6, 5}, "uint8"), {.filters = 4}));
  const Weights weights(net, 1);
  disturb(weights);
  const Executor executor(net, weights);
  const Tensor x = input_for({3, 6, 5});
  const Tensor between = executor.run({{"x", x}}, {1}, nullptr)[0];
  Randomness randomness(1, 2);
  executor.run({{"x", x}}, {out.layer}, &randomness);
  const Tensor mean = at::zeros({4}), variance = at::ones({4});
  at::batch_norm(between, {}, {}, mean, variance, true, 0.1, 1e-5, false);
  CHECK(close(weights.get(2, "running_mean"), mean));
  CHECK(close(weights.get(2, "running_var"), variance));
  // Alone and folded into the convolution before it.
  const Tensor expected = at::batch_norm(between, weights.get(2, "weight"), weights.get(2, "bias"), mean, variance, false, 0.1, 1e-5, false);
  CHECK(close(executor.run({{"x", x}}, {out.layer}, nullptr)[0], expected));
  CHECK(close(executor.run({{"x", x}}, {1, out.layer}, nullptr)[1], expected));
  CHECK(close(weights.get(2, "running_mean"), mean));
}

TEST_CASE("dropout keeps the mean in training and does nothing in evaluation") {
  const bool of_branches = GENERATE(false, true);
  Network net;
  const Value x = net.input("x", {64}, "float32");
  const Value out = of_branches ? net.drop_path(x, 0.25) : net.dropout(x, 0.25);
  const Weights weights(net, 1);
  const Executor executor(net, weights);
  const Tensor ones = at::ones({2000, 64});
  Randomness randomness(1, 2), again(1, 2);
  const Tensor dropped = executor.run({{"x", ones}}, {out.layer}, &randomness)[0];
  CHECK(dropped.mean().item<double>() == Approx(1.0).margin(0.03));
  CHECK(dropped.eq(0.0).logical_or(dropped.sub(4.0 / 3.0).abs().lt(1e-5)).all().item<bool>());
  CHECK(dropped.equal(executor.run({{"x", ones}}, {out.layer}, &again)[0]));
  // A branch is dropped for a sample as a whole.
  CHECK(dropped.eq(dropped.narrow(1, 0, 1)).all().item<bool>() == of_branches);
  CHECK(executor.run({{"x", ones}}, {out.layer}, nullptr)[0].equal(ones));
}
