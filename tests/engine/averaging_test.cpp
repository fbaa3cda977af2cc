#include "torch_catch.h"
#include "espalier/engine/averaging.h"

#include <algorithm>
#include <cmath>

using namespace espalier;
using namespace espalier::engine;

namespace {

/// A network of one weight, set to a value of its own after each step.
struct One {
  void set(double value) const { weights.parameters().fill_(value); }
  double weight() const { return weights.parameters()[0].item<double>(); }
  static double average(const Averaging& averaging) { return averaging.copies().parameters[0].item<double>(); }
  static Network network() {
    Network net;
    net.dense(net.input("x", {1}, "float32"), 1, false);
    return net;
  }
  Weights weights{network(), 1};
};

}  // namespace

TEST_CASE("an average follows early weights closely and later ones by its decay") {
  const One one;
  one.set(0.0);
  Averaging ema({{"name", "ema"}, {"decay", 0.5}}, one.weights);
  CHECK(ema.is_scored());
  // The shares that are kept: 2 / 11, 3 / 12, 4 / 13, ..., at most the decay.
  double expected = 0.0;
  for (int step = 0; step < 20; ++step) {
    one.set(step + 1.0);
    ema.follow(step, 20);
    const double kept = std::min(0.5, (step + 2.0) / (step + 11.0));
    expected = kept * expected + (1.0 - kept) * (step + 1.0);
    CHECK(One::average(ema) == Approx(expected));
    CHECK(one.weight() == step + 1.0);
  }
}

TEST_CASE("lookahead takes the weights back every so many steps, the more the later, and ends with the average") {
  const One one;
  one.set(0.0);
  Averaging lookahead({{"name", "lookahead"}, {"every", 3}, {"decay", 0.9}}, one.weights);
  CHECK_FALSE(lookahead.is_scored());
  double slow = 0.0;
  for (int step = 0; step < 10; ++step) {
    const double value = one.weight() + 1.0;
    one.set(value);
    lookahead.follow(step, 10);
    if (step % 3 == 2) slow += (1.0 - 0.9 * std::pow((step + 1.0) / 10.0, 3)) * (value - slow);
    CHECK(one.weight() == Approx(step == 9 || step % 3 == 2 ? slow : value));
  }
  CHECK(One::average(lookahead) == Approx(slow));
}
