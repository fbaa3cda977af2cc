#include "torch_catch.h"
#include "espalier/engine/optimizer.h"
#include "espalier/engine/schedule.h"
#include "espalier/error.h"

#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <numbers>
#include <vector>

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
  const at::Tensor g = at::empty_like(ours);
  Optimizer optimizer(settings, ours, g, {{.begin = 0, .end = kHalf, .decays = true}, {.begin = kHalf, .end = 2 * kHalf, .decays = false}});
  const at::Tensor slopes = at::linspace(0.1, 3.0, 2 * kHalf);
  const auto gradient = [&](const at::Tensor& at) { return at.mul(slopes) + at.sin(); };
  for (int step = 0; step < 20; ++step) {
    g.copy_(gradient(ours));
    optimizer.step(step, 1.0);
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

TEST_CASE("RAdam moves as PyTorch's, by momentum alone until the variance is known") {
  // torch.optim.RAdam(lr=0.05, betas=(0.9, 0.98), weight_decay=0.1, decoupled_weight_decay=True) of PyTorch 2.13.
  const std::map<int, std::vector<float>> expected = {{4, {-0.7989057F, -0.1543762F, 0.2308172F, 0.7482736F}},
                                                      {5, {-0.7517881F, -0.1341006F, 0.1782895F, 0.5091485F}},
                                                      {6, {-0.7423302F, -0.1279457F, 0.1721806F, 0.5015104F}},
                                                      {20, {-0.5125265F, 0.0210969F, 0.0241904F, 0.3284120F}}};
  const Json settings = {{"name", "radam"}, {"learning_rate", 0.05}, {"beta1", 0.9}, {"beta2", 0.98}, {"weight_decay", 0.1}};
  const at::Tensor w = at::tensor({-1.0F, -0.25F, 0.5F, 2.0F});
  const at::Tensor g = at::empty_like(w);
  Optimizer optimizer(settings, w, g, {{.begin = 0, .end = 4}});
  const at::Tensor slopes = at::tensor({0.1F, 1.0F, 2.0F, 3.0F});
  for (int step = 1; step <= 20; ++step) {
    g.copy_(w * slopes + w.sin());
    optimizer.step(step - 1, 1.0);
    CAPTURE(step);
    if (const auto row = expected.find(step); row != expected.end()) CHECK(at::allclose(w, at::tensor(row->second), 0.0, 1e-5));
  }
}

TEST_CASE("Lion moves by the paper's recurrence") {
  const Json settings = {{"name", "lion"}, {"learning_rate", 0.01}, {"beta1", 0.8}, {"beta2", 0.95}, {"weight_decay", 0.3}};
  const at::Tensor ours = at::linspace(-2.0, 1.7, 32);
  const at::Tensor g = at::empty_like(ours);
  Optimizer optimizer(settings, ours, g, {{.begin = 0, .end = 16, .decays = true}, {.begin = 16, .end = 32, .decays = false}});
  at::Tensor theirs = ours.clone();
  at::Tensor momentum = at::zeros({32});
  const at::Tensor decay = at::cat({at::full({16}, 0.3), at::zeros({16})});
  for (int step = 0; step < 20; ++step) {
    g.copy_(at::cos(ours * 3.0) * 5.0);
    optimizer.step(step, 0.5);
    const at::Tensor direction = at::sign(0.8 * momentum + 0.2 * g);
    theirs = theirs - 0.005 * (direction + decay * theirs);
    momentum = 0.95 * momentum + 0.05 * g;
    CHECK(at::allclose(ours, theirs, 0.0, 1e-5));
  }
  CHECK(at::allclose(optimizer.first, momentum, 1e-4, 1e-5));
  CHECK_FALSE(optimizer.second.defined());
}

TEST_CASE("weights of a group follow an optimizer of their own") {
  const std::vector<Segment> segments = {{.begin = 0, .end = 4},
                                         {.begin = 4, .end = 8, .learning_rate = 2.0, .optimizer = {{"name", "lion"}, {"learning_rate", 0.1}}},
                                         {.begin = 8, .end = 12, .optimizer = {{"name", "radam"}, {"learning_rate", 0.01}}}};
  const at::Tensor w = at::ones({12});
  Optimizer optimizer({{"name", "sgd"}, {"learning_rate", 0.5}, {"momentum", 0.0}}, w, at::full({12}, 0.25), segments);
  optimizer.step(0, 1.0);
  CHECK(w[0].item<double>() == Approx(1.0 - 0.5 * 0.25));
  CHECK(w[4].item<double>() == Approx(1.0 - 0.2));
  CHECK(w[8].item<double>() == Approx(1.0 - 0.01 * 0.25));  // a first step by momentum alone
}

TEST_CASE("an unknown optimizer is refused with those that are there") {
  CHECK_THROWS_AS(Optimizer({{"name", "lyon"}}, at::ones({4}), at::ones({4}), {{.begin = 0, .end = 4}}), Error);
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
  // A quarter of the steps rises, then a cosine falls.
  CHECK(factor({{"name", "one_cycle"}}, 0) == Approx(0.04 + 0.96 / 25));
  CHECK(factor({{"name", "one_cycle"}}, 24) == Approx(1.0));
  CHECK(factor({{"name", "one_cycle"}}, 25) == Approx(1.0));
  CHECK(factor({{"name", "one_cycle"}, {"warmup", 0.3}, {"start", 0.1}, {"end", 0.01}}, 65) == Approx(0.01 + 0.99 * 0.5));
  CHECK(factor({{"name", "one_cycle"}}, 99) < 0.001);
  CHECK(factor({{"name", "plateau"}}, 0) == 1.0);
  CHECK(factor({{"name", "plateau"}}, 99) == 1.0);
  CHECK_THROWS_AS(factor({{"name", "cosin"}}, 1), Error);
}

TEST_CASE("every schedule warms up along the same line") {
  for (const char* name : {"constant", "linear", "cosine", "one_cycle", "step", "plateau"}) {
    CAPTURE(name);
    const Json schedule = {{"name", name}, {"warmup", 0.2}, {"start", 0.5}};
    CHECK(learning_rate_factor(schedule, 0, 100, 10) == Approx(0.525));
    CHECK(learning_rate_factor(schedule, 9, 100, 10) == Approx(0.75));
    CHECK(learning_rate_factor(schedule, 19, 100, 10) == Approx(1.0));
    CHECK(learning_rate_factor(schedule, 20, 100, 10) == Approx(1.0));
  }
}

TEST_CASE("a plateau of scores lowers the learning rate, step by step down to its least") {
  const Json schedule = {{"name", "plateau"}, {"patience", 2}, {"factor", 0.5}, {"min", 0.2}};
  struct Row {
    double score;
    double factor;  ///< afterwards
  };
  // The second better score starts the count anew, an equal one does not, nor does one that is better than the last alone.
  const std::vector<Row> rows = {{3.0, 1.0}, {3.5, 1.0}, {2.0, 1.0}, {2.0, 1.0}, {2.5, 0.5}, {2.4, 0.5}, {2.3, 0.25},
                                 {1.0, 0.25}, {1.5, 0.25}, {1.5, 0.2}, {1.5, 0.2}, {1.5, 0.2}};
  const bool maximize = GENERATE(false, true);
  Plateau plateau;
  for (const Row& row : rows) {
    observe(plateau, schedule, maximize ? -row.score : row.score, maximize);
    CHECK(plateau.factor == Approx(row.factor));
    plateau = plateau_from(Json::parse(to_json(plateau).dump()));
  }
  Plateau other;
  for (int epoch = 0; epoch < 20; ++epoch) observe(other, {{"name", "cosine"}}, 1.0, false);
  CHECK(other.factor == 1.0);
}
