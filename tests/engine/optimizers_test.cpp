#include "torch_catch.h"
#include "espalier/engine/optimizer.h"
#include "espalier/engine/schedule.h"
#include "espalier/error.h"

#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include <cmath>
#include <functional>
#include <memory>
#include <numbers>

using namespace espalier;
using namespace espalier::engine;

namespace {

/// Largest difference after 20 steps on a crooked bowl, ours and LibTorch's from the same start. The second half of the
/// parameters is what does not decay.
double difference(const Json& settings, const std::function<std::unique_ptr<torch::optim::Optimizer>(std::vector<at::Tensor>, double decay)>& make) {
  constexpr int64_t kHalf = 16;
  std::vector<at::Tensor> theirs = {at::linspace(-1.0, 1.0, kHalf).set_requires_grad(true), at::linspace(2.0, -2.0, kHalf).set_requires_grad(true)};
  at::Tensor ours = at::cat({theirs[0].detach(), theirs[1].detach()});
  const auto decaying = make({theirs[0]}, settings.value("weight_decay", 0.0));
  const auto others = make({theirs[1]}, 0.0);
  Optimizer optimizer(settings, 2 * kHalf, {{.begin = 0, .end = kHalf, .decays = true}, {.begin = kHalf, .end = 2 * kHalf, .decays = false}});
  const at::Tensor slopes = at::linspace(0.1, 3.0, 2 * kHalf);
  const auto gradient = [&](const at::Tensor& at) { return at.mul(slopes) + at.sin(); };
  for (int step = 0; step < 20; ++step) {
    const at::Tensor g = gradient(ours);
    optimizer.step({ours.data_ptr<float>(), 2 * kHalf}, {g.data_ptr<float>(), 2 * kHalf}, 1.0, 1.0);
    const at::Tensor reference = gradient(at::cat({theirs[0].detach(), theirs[1].detach()}));
    theirs[0].mutable_grad() = reference.narrow(0, 0, kHalf).clone();
    theirs[1].mutable_grad() = reference.narrow(0, kHalf, kHalf).clone();
    decaying->step();
    others->step();
  }
  return (ours - at::cat({theirs[0].detach(), theirs[1].detach()})).abs().max().item<double>();
}

}  // namespace

TEST_CASE("SGD with momentum, Nesterov's too, moves as LibTorch's") {
  const auto [momentum, nesterov] = GENERATE(table<double, bool>({{0.0, false}, {0.9, false}, {0.9, true}}));
  const auto make = [m = momentum, n = nesterov](std::vector<at::Tensor> parameters, double decay) {
    return std::make_unique<torch::optim::SGD>(std::move(parameters), torch::optim::SGDOptions(0.05).momentum(m).nesterov(n).weight_decay(decay));
  };
  CHECK(difference({{"name", "sgd"}, {"learning_rate", 0.05}, {"momentum", momentum}, {"nesterov", nesterov}, {"weight_decay", 0.01}}, make) < 1e-5);
}

TEST_CASE("Adam moves as LibTorch's") {
  const auto make = [](std::vector<at::Tensor> parameters, double decay) {
    return std::make_unique<torch::optim::Adam>(std::move(parameters), torch::optim::AdamOptions(0.02).betas({0.8, 0.99}).weight_decay(decay));
  };
  CHECK(difference({{"name", "adam"}, {"learning_rate", 0.02}, {"beta1", 0.8}, {"beta2", 0.99}, {"weight_decay", 0.01}}, make) < 1e-5);
}

TEST_CASE("AdamW moves as LibTorch's") {
  const auto make = [](std::vector<at::Tensor> parameters, double decay) {
    return std::make_unique<torch::optim::AdamW>(std::move(parameters), torch::optim::AdamWOptions(0.02).weight_decay(decay));
  };
  CHECK(difference({{"name", "adamw"}, {"learning_rate", 0.02}, {"weight_decay", 0.1}}, make) < 1e-5);
}

TEST_CASE("schedules follow their tables") {
  const auto factor = [](const Json& schedule, int64_t step) { return learning_rate_factor(schedule, step, 100, 10); };
  const auto cosine = [](double progress) { return 0.5 * (1.0 + std::cos(std::numbers::pi * progress)); };
  CHECK(factor("constant", 57) == 1.0);
  // Step by step up to 1 within the first tenth.
  const Json warm = {{"name", "constant"}, {"warmup", 0.1}};
  CHECK(factor(warm, 0) == Approx(0.1));
  CHECK(factor(warm, 4) == Approx(0.5));
  CHECK(factor(warm, 9) == 1.0);
  CHECK(factor(warm, 50) == 1.0);
  CHECK(factor({{"name", "cosine"}}, 0) == 1.0);
  CHECK(factor({{"name", "cosine"}}, 25) == Approx(cosine(0.25)));
  CHECK(factor({{"name", "cosine"}, {"end", 0.2}}, 50) == Approx(0.6));
  CHECK(factor({{"name", "cosine"}, {"warmup", 0.2}}, 60) == Approx(0.5));
  CHECK(factor({{"name", "linear"}}, 25) == Approx(0.75));
  CHECK(factor({{"name", "linear"}, {"end", 0.5}}, 50) == Approx(0.75));
  const Json stairs = {{"name", "step"}, {"every", 3}, {"factor", 0.5}};
  CHECK(factor(stairs, 29) == 1.0);
  CHECK(factor(stairs, 30) == Approx(0.5));
  CHECK(factor(stairs, 60) == Approx(0.25));
  CHECK(factor(stairs, 99) == Approx(0.125));
  CHECK(factor({{"name", "one_cycle"}}, 0) == Approx(0.04 + 0.96 / 30));
  CHECK(factor({{"name", "one_cycle"}}, 29) == Approx(1.0));
  CHECK(factor({{"name", "one_cycle"}}, 65) == Approx(1e-4 + (1 - 1e-4) * 0.5));
  CHECK(factor({{"name", "one_cycle"}}, 99) < 0.001);
  CHECK_THROWS_AS(factor({{"name", "cosin"}}, 1), Error);
}
