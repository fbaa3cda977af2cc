#include "torch_catch.h"
#include "espalier/engine/losses.h"
#include "espalier/engine/weights.h"
#include "espalier/error.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <limits>

using namespace espalier;
using namespace espalier::engine;

namespace {

using at::Tensor;

const double kNone = std::numeric_limits<double>::quiet_NaN();

/// A head's output of `width` values, with its loss settled by targets of training.
struct Head {
  Head(const Json& asked, const Json& decode, int64_t width, const Tensor& train_targets)
      : net(network(asked, decode, width)), weights(net, 1), loss(net.outputs()[0], train_targets, weights, true) {}
  static Network network(const Json& asked, const Json& decode, int64_t width) {
    Network made;
    const Value x = made.input("x", {width}, "float32");
    made.output({.head = "y", .target = "y", .layer = x.layer, .loss = asked, .decode = decode});
    return made;
  }
  double of(const Tensor& values, const Tensor& targets, const Tensor& importance = {}) const {
    return loss(values, targets, importance).item<double>();
  }
  Tensor numbers(const Tensor& values) const { return decode(net.outputs()[0], values, weights); }

  Network net;
  Weights weights;
  HeadLoss loss;
};

Tensor random(at::IntArrayRef shape, uint64_t seed = 3) { return at::randn(shape, at::detail::createCPUGenerator(seed), at::kFloat); }

const Json kFour = {{"kind", "class"}, {"activation", "softmax"}, {"names", {"a", "b", "c", "d"}}};
const Json kYes = {{"kind", "class"}, {"activation", "sigmoid"}, {"names", {"no", "yes"}}};
const Json kTags = {{"kind", "classes"}, {"activation", "sigmoid"}, {"names", {"a", "b"}}};
const Json kNumber = {{"kind", "number"}};

Json number_of_bins(int64_t bins, bool ordinal, bool several = false) {
  Json decode = {{"kind", several ? "numbers" : "number"}, {"bins", bins}, {"activation", ordinal ? "sigmoid" : "softmax"}};
  if (several) decode["names"] = {"x", "y"};
  return decode;
}

/// The greatest difference between the gradient and central differences, over the values.
double wrong_slope(const Head& head, const Tensor& values, const Tensor& targets) {
  Tensor x = values.clone().set_requires_grad(true);
  head.loss(x, targets).backward();
  double most = 0.0;
  constexpr float kStep = 1e-2F;
  for (int64_t i = 0; i < x.numel(); ++i) {
    const auto moved = [&](float by) {
      Tensor other = values.clone();
      other.data_ptr<float>()[i] += by;
      return head.of(other, targets);
    };
    const double slope = (moved(kStep) - moved(-kStep)) / (2.0 * kStep);
    most = std::max(most, std::abs(slope - x.grad().data_ptr<float>()[i]));
  }
  return most;
}

}  // namespace

TEST_CASE("focal loss without focus is cross entropy, weighted and smoothed alike") {
  const double smoothing = GENERATE(0.0, 0.2);
  const std::string given = GENERATE("none", "balanced");
  const Tensor targets = at::tensor({0, 1, 1, 3, -1, 2, 1}, at::kLong);
  const Tensor values = random({7, 4});
  const Json loss = {{"name", "cross_entropy"}, {"label_smoothing", smoothing}, {"class_weights", given}};
  Json focal = loss;
  focal["name"] = "focal";
  focal["gamma"] = 1e-9;
  const double plain = Head(loss, kFour, 4, targets).of(values, targets);
  CHECK(Head(focal, kFour, 4, targets).of(values, targets) == Approx(plain).epsilon(1e-5));
  // So does cross entropy with samples that count the same.
  CHECK(Head(loss, kFour, 4, targets).of(values, targets, at::ones({7})) == Approx(plain).epsilon(1e-5));
}

TEST_CASE("focal loss leaves (1 - p)^gamma of each term") {
  const Tensor values = random({5, 4});
  const Tensor targets = at::tensor({0, 1, 2, 3, 1}, at::kLong);
  const Tensor p = at::softmax(values, 1).gather(1, targets.unsqueeze(1));
  const double expected = (-(1.0 - p).pow(2.0) * p.log()).mean().item<double>();
  CHECK(Head({{"name", "focal"}, {"gamma", 2.0}}, kFour, 4, targets).of(values, targets) == Approx(expected));
  // One logit, by hand: logits 0 (p = 1/2) and ln 3 (p = 3/4), both of a "yes".
  const Tensor logits = at::tensor({0.0F, std::log(3.0F)}).unsqueeze(1);
  const Tensor yes = at::tensor({1, 1}, at::kLong);
  const double by_hand = (0.25 * std::log(2.0) + 0.0625 * std::log(4.0 / 3.0)) / 2.0;
  CHECK(Head({{"name", "focal"}, {"gamma", 2.0}}, kYes, 1, yes).of(logits, yes) == Approx(by_hand));
  // Several labels, one of them unknown.
  const Tensor tags = at::tensor({1.0, 0.0, kNone, 1.0}).view({2, 2}).to(at::kFloat);
  const Tensor scores = at::tensor({0.0F, 0.0F, 9.0F, std::log(3.0F)}).view({2, 2});
  const double three = (2.0 * 0.25 * std::log(2.0) + 0.0625 * std::log(4.0 / 3.0)) / 3.0;
  CHECK(Head({{"name", "focal"}, {"gamma", 2.0}}, kTags, 2, tags).of(scores, tags) == Approx(three));
}

TEST_CASE("an answer that is wholly right has a finite slope under any focus") {
  const double gamma = GENERATE(0.5, 1.0, 3.0);
  const Tensor targets = at::tensor({0, 1}, at::kLong);
  Tensor values = at::tensor({90.0F, 0.0F, 0.0F, 0.0F, 0.0F, 90.0F, 0.0F, 0.0F}).view({2, 4}).set_requires_grad(true);
  const Head head({{"name", "focal"}, {"gamma", gamma}}, kFour, 4, targets);
  head.loss(values, targets).backward();
  CHECK(values.grad().isfinite().all().item<bool>());
}

TEST_CASE("samples count as much as their weights say") {
  const Tensor importance = at::tensor({0.0F, 3.0F, 1.0F});
  const Tensor classes = at::tensor({1, 2, -1}, at::kLong);
  const Tensor values = random({3, 4});
  const double second = -at::log_softmax(values, 1)[1][2].item<double>();
  CHECK(Head({{"name", "cross_entropy"}}, kFour, 4, classes).of(values, classes, importance) == Approx(3.0 * second / 2.0));
  const Tensor ages = at::tensor({-1.0F, 0.0F, 1.0F}).unsqueeze(1);
  const double deviation = std::sqrt(2.0 / 3.0);
  const Head age({{"name", "mse"}}, kNumber, 1, ages);
  CHECK(age.of(at::zeros({3, 1}), ages, importance) == Approx((0.0 * 1.0 + 3.0 * 0.0 + 1.0) / (deviation * deviation) / 3.0));
}

TEST_CASE("huber's delta is in deviations of the target") {
  const Tensor ages = at::tensor({10.0F, 30.0F}).unsqueeze(1);  // deviation 10
  const Head head({{"name", "huber"}, {"delta", 0.5}}, kNumber, 1, ages);
  CHECK(head.of(at::full({2, 1}, 0.0), ages) == Approx(0.5 * (1.0 - 0.25)));
}

TEST_CASE("bins span the targets of training, and their expectation is the answer") {
  const Tensor ages = at::tensor({20.0, kNone, 60.0, 40.0}).to(at::kFloat).unsqueeze(1);
  const Head head({{"name", "bins"}, {"bins", 5}, {"spread", 0.1}, {"expectation", 1.0}}, number_of_bins(5, false), 5, ages);
  CHECK(head.weights.get("target.y.low").item<float>() == 20.0F);
  CHECK(head.weights.get("target.y.high").item<float>() == 60.0F);
  // Sure of the second bin; undecided.
  const Tensor values = at::tensor({0.0F, 99.0F, 0.0F, 0.0F, 0.0F, 0.0F, 0.0F, 0.0F, 0.0F, 0.0F}).view({2, 5});
  CHECK(head.numbers(values).allclose(at::tensor({30.0F, 40.0F}).unsqueeze(1)));
}

TEST_CASE("the loss of bins is LibTorch's divergence from a normal label, and the distance of the expectation") {
  const Tensor ages = at::tensor({0.0F, 100.0F, 50.0F, 20.0F}).unsqueeze(1);
  const double deviation = ages.std(false).item<double>();
  const Head head({{"name", "bins"}, {"bins", 101}, {"spread", 2.5 / deviation}, {"expectation", 0.7}}, number_of_bins(101, false), 101, ages);
  const Tensor values = random({4, 101});
  const Tensor grid = at::arange(101, at::kFloat);
  const Tensor label = at::exp((grid - ages).square() / (-2.0 * 2.5 * 2.5));
  const Tensor sums = label / label.sum(1, true);
  const double divergence = at::kl_div(at::log_softmax(values, 1), sums, at::Reduction::Sum).item<double>() / 4.0;
  const double distance = (at::softmax(values, 1).matmul(grid) - ages.flatten()).abs().mean().item<double>() / deviation;
  CHECK(head.of(values, ages) == Approx(divergence + 0.7 * distance).epsilon(1e-4));
  CHECK(wrong_slope(head, values.narrow(0, 0, 2), ages.narrow(0, 0, 2)) < 2e-3);
}

TEST_CASE("the ordinal loss asks at every step whether the answer lies above") {
  const Tensor ages = at::tensor({0.0F, 4.0F, 1.0F}).unsqueeze(1);
  const Head head({{"name", "ordinal"}, {"bins", 5}}, number_of_bins(5, true), 4, ages);
  const Tensor values = random({3, 4});
  const Tensor levels = at::tensor({0.0F, 0.0F, 0.0F, 0.0F, 1.0F, 1.0F, 1.0F, 1.0F, 1.0F, 0.0F, 0.0F, 0.0F}).view({3, 4});
  const double expected = at::binary_cross_entropy_with_logits(values, levels).item<double>();
  CHECK(head.of(values, ages) == Approx(expected));
  CHECK(wrong_slope(head, values, ages) < 1e-3);
  // The sum of the probabilities of lying above counts the steps.
  const Tensor sure = at::tensor({99.0F, 99.0F, -99.0F, -99.0F}).view({1, 4});
  CHECK(head.numbers(sure).item<float>() == Approx(2.0F));
}

TEST_CASE("several numbers have bins of their own, and missing ones do not count") {
  const bool ordinal = GENERATE(false, true);
  const Json loss = {{"name", ordinal ? "ordinal" : "bins"}, {"bins", 3}, {"spread", 0.2}, {"expectation", 1.0}};
  const Tensor both = at::tensor({0.0, 100.0, 2.0, kNone, 1.0, 300.0}).view({3, 2}).to(at::kFloat);
  const int64_t width = ordinal ? 4 : 6;
  const Head head(loss, number_of_bins(3, ordinal, true), width, both);
  CHECK(head.weights.get("target.y.high").equal(at::tensor({2.0F, 300.0F})));
  const Tensor values = random({3, width});
  const Tensor first = both.narrow(1, 0, 1), second = both.narrow(1, 1, 1);
  const Head x(loss, number_of_bins(3, ordinal), width / 2, first), y(loss, number_of_bins(3, ordinal), width / 2, second);
  const double alone = (3.0 * x.of(values.narrow(1, 0, width / 2), first) + 2.0 * y.of(values.narrow(1, width / 2, width / 2), second)) / 5.0;
  CHECK(head.of(values, both) == Approx(alone));
  const Tensor numbers = head.numbers(values);
  CHECK(numbers.narrow(1, 1, 1).allclose(y.numbers(values.narrow(1, width / 2, width / 2))));
  Tensor learned = values.clone().set_requires_grad(true);
  head.loss(learned, both).backward();
  CHECK(learned.grad().isfinite().all().item<bool>());
}

TEST_CASE("targets that are all the same leave bins of a span") {
  const Tensor same = at::full({3, 1}, 7.0);
  const Head head({{"name", "bins"}, {"bins", 11}, {"spread", 0.1}, {"expectation", 1.0}}, number_of_bins(11, false), 11, same);
  CHECK(head.numbers(at::zeros({1, 11})).item<float>() == Approx(7.0F));
  CHECK(std::isfinite(head.of(at::zeros({3, 11}), same)));
}

TEST_CASE("an unknown loss names those there are") {
  const Tensor targets = at::tensor({0, 1}, at::kLong);
  CHECK_THROWS_WITH(Head({{"name", "hinge"}}, kFour, 4, targets), Catch::Contains("hinge"));
}

TEST_CASE("the losses of samples are what the loss is the mean of") {
  const Json asked = GENERATE(Json{{"name", "cross_entropy"}, {"label_smoothing", 0.1}}, Json{{"name", "binary_cross_entropy"}, {"label_smoothing", 0.1}},
                              Json{{"name", "mse"}}, Json{{"name", "bins"}, {"spread", 0.2}, {"expectation", 1.0}}, Json{{"name", "ordinal"}});
  CAPTURE(asked.dump());
  const auto name = asked.at("name").get<std::string>();
  const bool classes = name == "cross_entropy";
  const bool tags = name == "binary_cross_entropy";
  const Json decode = classes ? kFour : tags ? kTags : name == "mse" ? kNumber : number_of_bins(6, name == "ordinal");
  const Tensor targets = classes ? at::tensor({0, 1, 3, -1, 2}, at::kLong)
                         : tags  ? at::tensor({0.0, 1.0, 1.0, kNone, 0.0, 0.0, 1.0, 1.0, kNone, kNone}, at::kFloat).view({5, 2})
                                 : at::tensor({1.0, 4.0, 2.5, kNone, 9.0}, at::kFloat).view({5, 1});
  const int64_t width = classes ? 4 : tags ? 2 : name == "mse" ? 1 : name == "bins" ? 6 : 5;
  const Head head(asked, decode, width, targets);
  const Tensor values = random({5, width});
  const Tensor each = head.loss.each(values, targets);
  REQUIRE(each.sizes() == at::IntArrayRef{5});
  CHECK(each.isfinite().all().item<bool>());
  for (int64_t i = 0; i < 5; ++i)
    CHECK(each[i].item<double>() == Approx(head.of(values.narrow(0, i, 1), targets.narrow(0, i, 1))).margin(1e-6));
}

TEST_CASE("how hard a sample is does not depend on weights of classes and on focus") {
  const bool tags = GENERATE(false, true);
  const Tensor targets = tags ? at::tensor({0.0, 1.0, 0.0, kNone, 0.0, 0.0}, at::kFloat).view({3, 2}) : at::tensor({0, 0, 2}, at::kLong);
  const int64_t width = tags ? 2 : 4;
  const Head plain({{"name", tags ? "binary_cross_entropy" : "cross_entropy"}}, tags ? kTags : kFour, width, targets);
  const Head weighed({{"name", "focal"}, {"gamma", 2.0}, {"class_weights", "balanced"}}, tags ? kTags : kFour, width, targets);
  const Tensor values = random({3, width});
  CHECK(weighed.loss.each(values, targets).equal(plain.loss.each(values, targets)));
}

TEST_CASE("the loss of many samples is that of its parts, weighed by what they hold") {
  const std::string name = GENERATE("cross_entropy", "focal");
  const Tensor targets = at::tensor({0, 0, 0, 0, 3, -1, 2}, at::kLong);
  const Head head({{"name", name}, {"gamma", 1.0}, {"class_weights", "balanced"}}, kFour, 4, targets);
  const Tensor values = random({7, 4});
  const LossSum first = head.loss.sum(values.narrow(0, 0, 4), targets.narrow(0, 0, 4));
  const LossSum rest = head.loss.sum(values.narrow(0, 4, 3), targets.narrow(0, 4, 3));
  CHECK(((first.sum + rest.sum) / (first.count + rest.count)).item<double>() == Approx(head.of(values, targets)));
  CHECK(head.loss.sum(values.narrow(0, 5, 1), targets.narrow(0, 5, 1)).count.item<double>() == 0.0);
}
