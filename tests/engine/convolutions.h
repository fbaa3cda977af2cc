#pragma once

// What holds of a convolution by tiles, of either type.

#include "torch_catch.h"

#include "espalier/engine/winograd.h"

#include <torch/csrc/autograd/autograd.h>

#include <vector>

namespace espalier::test {

struct Convolution {
  int64_t batch, in, out, height, width;
  bool bias;
};

inline at::Tensor last(const at::Tensor& x) { return x.contiguous(at::MemoryFormat::ChannelsLast); }

/// The largest difference as a share of the largest value.
inline double difference(const at::Tensor& ours, const at::Tensor& theirs) {
  return ((ours.to(at::kFloat) - theirs).abs().max() / theirs.abs().max()).item<double>();
}

/// Output and gradients are LibTorch's in float32, but for `allowed`.
inline void check_convolution(const Convolution& c, at::ScalarType type, double allowed) {
  using engine::winograd;
  CAPTURE(c.in, c.out, c.height, c.width);
  const at::Tensor x = last(at::randn({c.batch, c.in, c.height, c.width})).to(type).requires_grad_();
  const at::Tensor filters = (at::randn({c.out, c.in, 3, 3}) * 0.1).requires_grad_();
  const at::Tensor bias = c.bias ? at::randn({c.out}).requires_grad_() : at::Tensor();
  const at::Tensor upstream = last(at::randn({c.batch, c.out, c.height, c.width})).to(type);
  REQUIRE(engine::suits_winograd(x, filters));

  std::vector<at::Tensor> inputs = {x, filters};
  if (c.bias) inputs.push_back(bias);
  const at::Tensor ours = winograd(x, filters, bias);
  const auto our_gradients = torch::autograd::grad({ours}, inputs, {upstream});
  const at::Tensor wide = x.detach().to(at::kFloat).clone().requires_grad_();
  const at::Tensor theirs = at::conv2d(wide, filters, bias, at::IntArrayRef{1, 1}, at::IntArrayRef{1, 1});
  inputs[0] = wide;
  const auto their_gradients = torch::autograd::grad({theirs}, inputs, {upstream.to(at::kFloat)});

  CHECK(ours.scalar_type() == type);
  CHECK(ours.is_contiguous(at::MemoryFormat::ChannelsLast));
  CHECK(difference(ours, theirs) < allowed);
  for (size_t i = 0; i < inputs.size(); ++i) {
    CAPTURE(i);
    REQUIRE(our_gradients[i].sizes() == their_gradients[i].sizes());
    CHECK(difference(our_gradients[i], their_gradients[i]) < allowed);
  }
  CHECK(our_gradients[1].scalar_type() == at::kFloat);
}

inline void check_same_bits(at::ScalarType type) {
  at::manual_seed(5);
  const at::Tensor x = last(at::randn({9, 64, 7, 7})).to(type).requires_grad_();
  const at::Tensor filters = at::randn({128, 64, 3, 3}).requires_grad_();
  std::vector<std::vector<at::Tensor>> found;
  for (int i = 0; i < 2; ++i) {
    const at::Tensor y = engine::winograd(x, filters, {});
    found.push_back(torch::autograd::grad({y}, {x, filters}, {at::ones_like(y)}));
    found.back().push_back(y);
  }
  for (size_t i = 0; i < found[0].size(); ++i) CHECK(at::equal(found[0][i], found[1][i]));
}

}  // namespace espalier::test
