#include "torch_catch.h"

#include "espalier/engine/depthwise.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include <tuple>
#include <vector>

using namespace espalier::engine;
using at::Tensor;

namespace {

struct Case {
  int64_t channels, height, width, kernel, stride, before, after;
};

Tensor last(const Tensor& x) { return x.contiguous(at::MemoryFormat::ChannelsLast); }

Windows windows_of(const Case& c) {
  const auto count = [&](int64_t extent) { return (extent + c.before + c.after - c.kernel) / c.stride + 1; };
  return {.kernel = c.kernel, .stride = c.stride, .rows_before = c.before, .columns_before = c.before, .height = count(c.height),
          .width = count(c.width)};
}

/// Output and gradients of input, filters and bias.
std::vector<Tensor> all_of(const Tensor& y, const Tensor& upstream, const std::vector<Tensor>& inputs) {
  std::vector<Tensor> out = {y};
  for (const Tensor& gradient : torch::autograd::grad({y}, inputs, {upstream})) out.push_back(gradient);
  return out;
}

const std::vector<Case> kCases = {{16, 6, 5, 3, 1, 1, 1}, {40, 7, 7, 3, 2, 0, 1}, {53, 8, 6, 5, 1, 2, 2}, {3, 5, 9, 2, 1, 0, 1},
                                  {24, 4, 4, 7, 1, 3, 3}, {32, 9, 9, 5, 2, 2, 2}, {70, 3, 3, 3, 3, 0, 0}, {17, 1, 1, 3, 1, 1, 1}};

}  // namespace

TEST_CASE("a depthwise convolution is LibTorch's, forwards and backwards, in float32 and in bfloat16") {
  at::manual_seed(3);
  for (const Case& c : kCases) {
    CAPTURE(c.channels, c.kernel, c.stride);
    const Windows windows = windows_of(c);
    const Tensor x = last(at::randn({5, c.channels, c.height, c.width})).requires_grad_();
    const Tensor filters = at::randn({c.channels, 1, c.kernel, c.kernel}).requires_grad_();
    const Tensor bias = at::randn({c.channels}).requires_grad_();
    const Tensor upstream = last(at::randn({5, c.channels, windows.height, windows.width}));
    const Tensor wide = at::constant_pad_nd(x, {c.before, c.after, c.before, c.after});
    const Tensor expected =
        at::conv2d(wide, filters, bias, at::IntArrayRef{c.stride, c.stride}, at::IntArrayRef{0, 0}, at::IntArrayRef{1, 1}, c.channels);
    const std::vector<Tensor> theirs = all_of(expected, upstream, {x, filters, bias});
    const std::vector<Tensor> ours = all_of(depthwise(x, filters, bias, windows), upstream, {x, filters, bias});
    for (size_t i = 0; i < ours.size(); ++i) {
      CAPTURE(i);
      REQUIRE(ours[i].sizes() == theirs[i].sizes());
      CHECK(at::allclose(ours[i], theirs[i], 1e-4, 1e-4));
    }
    const Tensor low = x.detach().to(at::kBFloat16).requires_grad_();
    const std::vector<Tensor> halves = all_of(depthwise(low, filters, bias, windows), upstream.to(at::kBFloat16), {low, filters, bias});
    CHECK(halves[0].scalar_type() == at::kBFloat16);
    CHECK(halves[2].scalar_type() == at::kFloat);
    for (size_t i = 0; i < halves.size(); ++i) {
      CAPTURE(i);
      CHECK(at::allclose(halves[i].to(at::kFloat), theirs[i], 0.03, 0.15));
    }
  }
}

TEST_CASE("a depthwise convolution does not depend on the number of threads") {
  const Case c = {40, 7, 7, 3, 1, 1, 1};
  const int threads = at::get_num_threads();
  std::vector<std::vector<Tensor>> found;
  for (const int count : {1, 2}) {
    at::set_num_threads(count);
    at::manual_seed(3);
    const Tensor x = last(at::randn({37, c.channels, c.height, c.width})).to(at::kBFloat16).requires_grad_();
    const Tensor filters = at::randn({c.channels, 1, c.kernel, c.kernel}).requires_grad_();
    const Tensor y = depthwise(x, filters, {}, windows_of(c));
    found.push_back(all_of(y, at::ones_like(y), {x, filters}));
  }
  at::set_num_threads(threads);
  for (size_t i = 0; i < found[0].size(); ++i) CHECK(found[0][i].equal(found[1][i]));
}
