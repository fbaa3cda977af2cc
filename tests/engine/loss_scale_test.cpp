#include "torch_catch.h"

#include "espalier/engine/loss_scale.h"

#include <limits>

using namespace espalier;
using namespace espalier::engine;
using at::Tensor;

namespace {

/// One step: a loss of one, a gradient, an update by one; the factor that the loss was given.
double step(LossScale& scale, const Tensor& weights, Tensor gradient) {
  const double factor = scale.scaled(at::ones({1})).item<double>();
  scale.unscale(gradient);
  scale.guard({weights, Tensor()}, [&] { weights.add_(1.0); });
  return factor;
}

}  // namespace

TEST_CASE("gradients are divided by what the loss was multiplied by, so that small ones survive float16") {
  LossScale scale(at::kHalf, at::kCPU);
  constexpr double kSmall = 1e-8;
  CHECK(at::full({1}, kSmall, at::kHalf).item<double>() == 0.0);
  const Tensor held = scale.scaled(at::full({1}, kSmall)).to(at::kHalf).to(at::kFloat);
  scale.unscale(held);
  CHECK(held.item<double>() == Approx(kSmall).epsilon(1e-3));
}

TEST_CASE("a step with a gradient that is no finite number is undone and the factor halved") {
  LossScale scale(at::kHalf, at::kCPU);
  const Tensor weights = at::zeros({2});
  const double first = step(scale, weights, at::ones({3}));
  CHECK(weights[0].item<double>() == 1.0);
  for (const double wrong : {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()})
    step(scale, weights, at::tensor({1.0, wrong, 0.0}));
  CHECK(weights[0].item<double>() == 1.0);
  CHECK(step(scale, weights, at::ones({3})) == first / 4.0);
  CHECK(weights[0].item<double>() == 2.0);
}

TEST_CASE("after two thousand whole steps the factor is doubled, counted through a checkpoint") {
  LossScale scale(at::kHalf, at::kCPU);
  const Tensor weights = at::zeros({1});
  const double first = step(scale, weights, at::ones({1}));
  for (int i = 1; i < 1500; ++i) step(scale, weights, at::ones({1}));
  TensorFile file;
  scale.save(file);
  LossScale again(at::kHalf, at::kCPU);
  again.restore(file);
  for (int i = 0; i < 500; ++i) CHECK(step(again, weights, at::ones({1})) == first);
  CHECK(step(again, weights, at::ones({1})) == 2.0 * first);
}

TEST_CASE("other arithmetic is left as it is") {
  LossScale scale(at::kBFloat16, at::kCPU);
  const Tensor weights = at::zeros({1});
  const Tensor wrong = at::full({1}, std::numeric_limits<double>::infinity());
  CHECK(step(scale, weights, wrong) == 1.0);
  CHECK(weights.item<double>() == 1.0);
  TensorFile file;
  scale.save(file);
  CHECK(file.tensors.empty());
}
