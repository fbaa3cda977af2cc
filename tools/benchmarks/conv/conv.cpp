// Convolutions of the engine beside oneDNN's, in bfloat16 where the processor multiplies it, else in float32, as JSON lines:
// milliseconds, the least of some repetitions.
#include "espalier/engine/winograd.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include <malloc.h>

#include <algorithm>
#include <climits>
#include <chrono>
#include <cstdio>
#include <functional>
#include <limits>
#include <vector>

namespace {

using at::Tensor;

struct Shape {
  int64_t batch, in, out, size;
};

const std::vector<Shape> kShapes = {{500, 24, 64, 31},  {500, 64, 64, 15},  {500, 64, 256, 15}, {500, 256, 256, 7}, {500, 256, 256, 3},
                                    {500, 32, 128, 15}, {500, 128, 128, 7}, {500, 32, 32, 31},  {500, 64, 64, 7},   {128, 64, 64, 32},
                                    {128, 128, 128, 16}, {128, 256, 256, 8}, {64, 32, 32, 64}};

double best(const std::function<void()>& work) {
  work();
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 7; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    least = std::min(least, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
  }
  return least;
}

struct Times {
  double output, pixels, filters;
};

Times times_of(const std::function<Tensor()>& convolve, const Tensor& x, const Tensor& filters, const Tensor& upstream) {
  Times times{};
  const Tensor y = convolve();
  times.pixels = best([&] { torch::autograd::grad({y}, {x}, {upstream}, true); });
  times.filters = best([&] { torch::autograd::grad({y}, {filters}, {upstream}, true); });
  const at::NoGradGuard still;
  times.output = best([&] { convolve(); });
  return times;
}

}  // namespace

/// Any argument asks for float32.
int main(int arguments, char**) {
  using namespace espalier::engine;
  mallopt(M_MMAP_MAX, 0);  // as the trainer does: pages of fresh memory cost as much as a convolution
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  const Tensor probe = at::zeros({1, 32, 4, 4}, at::kBFloat16);
  const bool bf16 = arguments == 1 && suits_winograd(probe, at::zeros({32, 32, 3, 3}));
  const at::ScalarType type = bf16 ? at::kBFloat16 : at::kFloat;
  for (const Shape& s : kShapes) {
    const auto pictures = [&](int64_t channels) {
      return at::randn({s.batch, channels, s.size, s.size}).contiguous(at::MemoryFormat::ChannelsLast).to(type);
    };
    const Tensor x = pictures(s.in).requires_grad_();
    const Tensor filters = at::randn({s.out, s.in, 3, 3}).requires_grad_();
    const Tensor upstream = pictures(s.out);
    const std::vector<int64_t> ones = {1, 1};
    const Times theirs = times_of([&] { return at::conv2d(x, filters.to(type), {}, ones, ones); }, x, filters, upstream);
    const Times ours = times_of([&] { return winograd(x, filters, {}); }, x, filters, upstream);
    const auto part = [](const char* name, double our, double their) { std::printf(R"("%s": [%.2f, %.2f])", name, our, their); };
    std::printf(R"({"precision": "%s", "batch": %ld, "in": %ld, "out": %ld, "size": %ld, )", bf16 ? "bf16" : "float32", s.batch, s.in, s.out, s.size);
    part("output", ours.output, theirs.output);
    std::printf(", ");
    part("pixels", ours.pixels, theirs.pixels);
    std::printf(", ");
    part("filters", ours.filters, theirs.filters);
    std::printf("}\n");
    std::fflush(stdout);
  }
}
