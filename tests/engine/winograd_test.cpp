#include "torch_catch.h"

#include "espalier/engine/winograd.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include <iostream>
#include <vector>

using namespace espalier::engine;
using at::Tensor;

namespace {

struct Case {
  int64_t batch, in, out, height, width;
  bool bias;
};

/// Odd and even sizes, chunks of output channels that are not whole, rows of products that are not, channels that are not a
/// register's, a single pixel; the large ones are taken by tiles in all directions, the small ones by oneDNN for the output.
const std::vector<Case> kCases = {{3, 64, 64, 8, 8, true},  {5, 64, 128, 15, 15, false}, {2, 80, 96, 7, 9, true}, {1, 64, 64, 2, 2, false},
                                  {2, 256, 48, 6, 4, true}, {4, 24, 64, 11, 5, false},   {3, 18, 16, 5, 5, true}, {2, 32, 32, 1, 1, false}};

Tensor last(const Tensor& x) { return x.contiguous(at::MemoryFormat::ChannelsLast); }

/// True, and said, where the processor cannot.
bool is_missing(const Tensor& x, const Tensor& filters) {
  if (suits_winograd(x, filters)) return false;
  std::cout << "skipped: this processor does not multiply pairs of bfloat16\n";
  return true;
}

/// The largest difference as a share of the largest value.
double difference(const Tensor& ours, const Tensor& theirs) {
  return ((ours.to(at::kFloat) - theirs).abs().max() / theirs.abs().max()).item<double>();
}

}  // namespace

TEST_CASE("a convolution by tiles is LibTorch's in float32, forwards and backwards, but for the rounding of bfloat16") {
  at::manual_seed(4);
  for (const Case& c : kCases) {
    CAPTURE(c.in, c.out, c.height, c.width);
    const Tensor x = last(at::randn({c.batch, c.in, c.height, c.width})).to(at::kBFloat16).requires_grad_();
    const Tensor filters = (at::randn({c.out, c.in, 3, 3}) * 0.1).requires_grad_();
    const Tensor bias = c.bias ? at::randn({c.out}).requires_grad_() : Tensor();
    const Tensor upstream = last(at::randn({c.batch, c.out, c.height, c.width})).to(at::kBFloat16);
    if (is_missing(x, filters)) return;

    std::vector<Tensor> inputs = {x, filters};
    if (c.bias) inputs.push_back(bias);
    const Tensor ours = winograd(x, filters, bias);
    const auto our_gradients = torch::autograd::grad({ours}, inputs, {upstream});
    const Tensor wide = x.detach().to(at::kFloat).requires_grad_();
    const Tensor theirs = at::conv2d(wide, filters, bias, at::IntArrayRef{1, 1}, at::IntArrayRef{1, 1});
    inputs[0] = wide;
    const auto their_gradients = torch::autograd::grad({theirs}, inputs, {upstream.to(at::kFloat)});

    CHECK(ours.scalar_type() == at::kBFloat16);
    CHECK(ours.is_contiguous(at::MemoryFormat::ChannelsLast));
    CHECK(difference(ours, theirs) < 0.01);
    for (size_t i = 0; i < inputs.size(); ++i) {
      CAPTURE(i);
      REQUIRE(our_gradients[i].sizes() == their_gradients[i].sizes());
      CHECK(difference(our_gradients[i], their_gradients[i]) < 0.01);
    }
    CHECK(our_gradients[1].scalar_type() == at::kFloat);
  }
}

TEST_CASE("tiles give the same bits each time") {
  at::manual_seed(5);
  const Tensor x = last(at::randn({9, 64, 7, 7})).to(at::kBFloat16).requires_grad_();
  const Tensor filters = at::randn({128, 64, 3, 3}).requires_grad_();
  if (is_missing(x, filters)) return;
  std::vector<std::vector<Tensor>> found;
  for (int i = 0; i < 2; ++i) {
    const Tensor y = winograd(x, filters, {});
    found.push_back(torch::autograd::grad({y}, {x, filters}, {at::ones_like(y)}));
    found.back().push_back(y);
  }
  for (size_t i = 0; i < found[0].size(); ++i) CHECK(at::equal(found[0][i], found[1][i]));
}

TEST_CASE("tiles are for 3 x 3 filters over channels that registers can take") {
  const auto pictures = [](int64_t channels, at::ScalarType type) { return at::zeros({1, channels, 4, 4}, type); };
  const auto filters = [](int64_t out, int64_t in, int64_t size) { return at::zeros({out, in, size, size}); };
  CHECK_FALSE(suits_winograd(pictures(64, at::kFloat), filters(64, 64, 3)));
  CHECK_FALSE(suits_winograd(pictures(64, at::kBFloat16), filters(64, 64, 5)));
  CHECK_FALSE(suits_winograd(pictures(64, at::kBFloat16), filters(64, 32, 3)));
  CHECK_FALSE(suits_winograd(pictures(64, at::kBFloat16), filters(70, 64, 3)));
  CHECK_FALSE(suits_winograd(pictures(3, at::kBFloat16), filters(64, 3, 3)));
}
