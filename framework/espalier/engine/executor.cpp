#include "espalier/engine/executor.h"

#include "espalier/engine/augment.h"
#include "espalier/engine/depthwise.h"
#include "espalier/engine/device.h"
#include "espalier/engine/growing.h"
#include "espalier/engine/mix.h"
#include "espalier/engine/pixels.h"
#include "espalier/engine/tile_pool.h"
#include "espalier/engine/winograd.h"
#include "espalier/error.h"
#include "espalier/network/operations.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <limits>

namespace espalier::engine {

namespace {

/// What `same` adds before and after an extent: the smaller half first.
struct Pads {
  int64_t before = 0;
  int64_t after = 0;
};

Pads pads(int64_t extent, int64_t kernel, int64_t stride, bool same) {
  if (!same) return {};
  const int64_t total = std::max<int64_t>((ceil_div(extent, stride) - 1) * stride + kernel - extent, 0);
  return {.before = total / 2, .after = total - total / 2};
}

struct Window {
  int64_t kernel;
  int64_t stride;
  Pads rows;
  Pads columns;
  int64_t height;  ///< windows
  int64_t width;
  bool even() const { return rows.before == rows.after && columns.before == columns.after; }
};

Window window(const Json& set, const at::Tensor& x, int64_t kernel, int64_t stride) {
  Window w{.kernel = set.value("kernel", kernel), .stride = set.value("stride", stride), .rows = {}, .columns = {}, .height = 0, .width = 0};
  const bool same = set.value("padding", std::string("valid")) == "same";
  w.rows = pads(x.size(2), w.kernel, w.stride, same);
  w.columns = pads(x.size(3), w.kernel, w.stride, same);
  const auto count = [&](int64_t extent, const Pads& around) { return (extent + around.before + around.after - w.kernel + w.stride) / w.stride; };
  w.height = count(x.size(2), w.rows);
  w.width = count(x.size(3), w.columns);
  return w;
}

at::Tensor padded(const at::Tensor& x, const Window& w, double value) {
  return at::constant_pad_nd(x, {w.columns.before, w.columns.after, w.rows.before, w.rows.after}, value);
}

at::Tensor conv(const Json& set, at::Tensor x, const at::Tensor& weight, const at::Tensor& bias) {
  Window w = window(set, x, 3, 1);
  if (w.kernel == 1 && w.stride > 1 && x.is_cpu()) {
    // oneDNN 3.12's strided 1x1 backward pass writes past its buffer for three channels; what it skips is left out before.
    x = x.slice(2, 0, std::nullopt, w.stride).slice(3, 0, std::nullopt, w.stride).contiguous(at::MemoryFormat::ChannelsLast);
    w.stride = 1;
  }
  const int64_t groups = set.value("groups", int64_t{1});
  const std::vector<int64_t> strides = {w.stride, w.stride};
  const std::vector<int64_t> dilation = {1, 1};
  const std::vector<int64_t> padding = w.even() ? std::vector{w.rows.before, w.columns.before} : std::vector<int64_t>{0, 0};
  return at::conv2d(w.even() ? x : padded(x, w, 0.0), weight, bias, strides, padding, dilation, groups);
}

bool suits_depthwise(const at::Tensor& x, const at::Tensor& filters) {
  return x.is_cpu() && filters.size(0) > 1 && filters.size(0) == x.size(1) && filters.size(1) == 1;
}

at::Tensor depthwise_conv(const Json& set, const at::Tensor& x, const at::Tensor& filters, const at::Tensor& bias) {
  const Window w = window(set, x, 3, 1);
  return depthwise(x, filters, bias, {.kernel = w.kernel, .stride = w.stride, .rows_before = w.rows.before, .columns_before = w.columns.before,
                                      .height = w.height, .width = w.width});
}

bool keeps_size(const Json& set) {
  return set.value("kernel", 3) == 3 && set.value("stride", 1) == 1 && set.value("padding", std::string("valid")) == "same";
}

at::Tensor max_pool(const Json& set, const at::Tensor& x) {
  const Window w = window(set, x, 2, 2);
  if (x.is_cpu() && w.kernel == w.stride && w.kernel < 16)
    return max_of_tiles(x, {.kernel = w.kernel, .rows_before = w.rows.before, .columns_before = w.columns.before,
                            .height = w.height, .width = w.width});
  const std::vector<int64_t> kernel = {w.kernel, w.kernel};
  const std::vector<int64_t> stride = {w.stride, w.stride};
  if (w.even() && 2 * w.rows.before <= w.kernel && 2 * w.columns.before <= w.kernel)
    return at::max_pool2d(x, kernel, stride, {w.rows.before, w.columns.before});
  return at::max_pool2d(padded(x, w, -std::numeric_limits<double>::infinity()), kernel, stride);
}

/// Padding does not count in the mean.
at::Tensor avg_pool(const Json& set, const at::Tensor& x) {
  const Window w = window(set, x, 2, 2);
  const std::vector<int64_t> kernel = {w.kernel, w.kernel};
  const std::vector<int64_t> stride = {w.stride, w.stride};
  if (w.even() && 2 * w.rows.before <= w.kernel && 2 * w.columns.before <= w.kernel)
    return at::avg_pool2d(x, kernel, stride, {w.rows.before, w.columns.before}, false, false);
  const at::Tensor share = at::avg_pool2d(padded(at::ones({1, 1, x.size(2), x.size(3)}, x.options()), w, 0.0), kernel, stride);
  return at::avg_pool2d(padded(x, w, 0.0), kernel, stride) / share;
}

at::Tensor gated(const at::Tensor& x, const at::Tensor& gate) {
  return x.dim() == 4 && gate.dim() == 2 ? x * gate.view({gate.size(0), gate.size(1), 1, 1}) : x * gate;
}

/// Channels-last pictures are rows of channels in memory: nothing is copied.
at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift, double epsilon) {
  const at::Tensor rows = x.dim() == 4 ? x.permute({0, 2, 3, 1}) : x;
  const at::Tensor normed = at::layer_norm(rows, scale.sizes(), scale.to(x.scalar_type()), shift.to(x.scalar_type()), epsilon);
  return x.dim() == 4 ? normed.permute({0, 3, 1, 2}) : normed;
}

/// Multiplies by zero with probability `rate`, else by 1 / (1 - rate): each value by itself, or all of a sample alike. Drawn by the
/// processor, so that every device drops the same.
at::Tensor drop(const Layer& layer, const at::Tensor& x, const at::Generator& generator) {
  const double rate = layer.set.at("rate").get<double>();
  const at::TensorOptions here = x.options().device(at::kCPU);
  std::vector<int64_t> samples(static_cast<size_t>(x.dim()), 1);
  samples[0] = x.size(0);
  at::Tensor mask = layer.op == "dropout" ? at::empty_like(x, here) : at::empty(samples, here);
  return x * sent_to(x.device(), mask.bernoulli_(1.0 - rate, generator).div_(1.0 - rate));
}

}  // namespace

std::string value_name(int layer) { return "value of " + std::to_string(layer); }

std::string shown(const Layer& layer) { return "layer " + std::to_string(layer.id) + " (" + layer.op + ") of " + layer.from; }

Randomness::Randomness(uint64_t augment_seed, uint64_t dropout_seed)
    : augment(augment_seed), dropout(at::detail::createCPUGenerator(dropout_seed)) {}

Executor::Executor(const Network& net, const Weights& weights, at::ScalarType arithmetic)
    : net_(net), weights_(weights), arithmetic_(arithmetic), gives_pixels_(give_pixels(net.layers())) {
  for (const Layer& layer : net.layers()) last_thaw_ = std::max(last_thaw_, layer.trained_from);
}

at::Tensor Executor::lower(const at::Tensor& x) const {
  return x.defined() ? x.to(arithmetic_) : x;
}

at::Tensor Executor::weight(const Layer& layer, const char* name, bool frozen) const {
  const at::Tensor tensor = weights_.get(layer.id, name);
  return frozen && tensor.defined() ? tensor.detach() : tensor;
}

NormWeights Executor::norm_weights(const Layer& layer, bool frozen) const {
  return {weight(layer, "weight", frozen), weight(layer, "bias", frozen), weight(layer, "running_mean", frozen),
          weight(layer, "running_var", frozen)};
}

at::Tensor Executor::convolved(const Json& set, const at::Tensor& x, const at::Tensor& filters, const at::Tensor& bias) const {
  if (suits_depthwise(x, filters)) return depthwise_conv(set, lower(x), filters, bias);
  const at::Tensor low = lower(x);
  if (keeps_size(set) && suits_winograd(low, filters)) return winograd(low, filters, bias);
  return conv(set, low, lower(filters), lower(bias));
}

at::Tensor Executor::normalized(const Step& step, const Values& in) const {
  const Layer& norm = net_.layers()[*step.norm];
  const NormWeights weights = norm_weights(norm, step.frozen);
  const double epsilon = norm.set.value("epsilon", 1e-5);
  const at::Tensor residual = step.adds ? in[1] : at::Tensor();
  if (step.settled) return settled_norm_activation(in[0], residual, evaluation_norm(weights, epsilon), step.activation, step.in_place);
  if (!step.conv)
    return norm_activation(in[0], residual, weights, step.activation, norm.set.value("momentum", 0.1), epsilon);
  const Layer& layer = net_.layers()[*step.conv];
  const ScaleShift fold = evaluation_norm(weights, epsilon);
  const at::Tensor bias = weight(layer, "bias", step.frozen);
  const at::Tensor filters = weight(layer, "weight", step.frozen) * fold.scale.view({-1, 1, 1, 1});
  return convolved(layer.set, in[0], filters, bias.defined() ? bias * fold.scale + fold.shift : fold.shift);
}

at::Tensor Executor::augmented(const Layer& layer, const at::Tensor& x, Randomness& randomness) const {
  const int from = layer.in.at(0);
  const auto scale = [&] { return gives_pixels_[static_cast<size_t>(from)] ? pixel_scale(net_, weights_, from) : PixelScale{}; };
  return augment(layer.op, layer.set, x, scale, randomness);
}

at::Tensor Executor::execute(const Step& step, const Values& in, const Inputs& inputs, Randomness* randomness) const {
  const Layer& layer = net_.layers()[step.layer];
  const std::string& op = layer.op;
  const Json& set = layer.set;
  const auto weight = [&](const char* name) { return this->weight(layer, name, step.frozen); };
  const auto overwrites = [&] { return step.in_place && (op == "relu" || op == "relu6" || !at::GradMode::is_enabled()); };
  if (step.norm) return normalized(step, in);
  if (op == "input") return inputs.at(set.at("name").get<std::string>());
  if (layer.training_only && randomness == nullptr) return in[0];
  if (op == "dropout" || op == "drop_path") return drop(layer, in[0], randomness->dropout);
  if (op == "growing") return grown(in[0], set, randomness->progress);
  if (layer.training_only) return augmented(layer, in[0], *randomness);
  if (op == "conv") return convolved(set, in[0], weight("weight"), weight("bias"));
  if (op == "dense") return at::linear(lower(in[0]), lower(weight("weight")), lower(weight("bias")));
  if (op == "thresholds") return (in[0].unsqueeze(2) + weight("bias")).flatten(1);
  if (op == "batch_norm") {
    const ScaleShift fixed = evaluation_norm(norm_weights(layer, step.frozen), set.value("epsilon", 1e-5));
    return at::addcmul(per_channel(lower(fixed.shift), in[0]), in[0], per_channel(lower(fixed.scale), in[0]));
  }
  if (op == "layer_norm") return layer_norm(in[0], weight("weight"), weight("bias"), set.value("epsilon", 1e-5));
  if (op == "channel_scale") return in[0] * per_channel(weight("weight").to(in[0].scalar_type()), in[0]);
  if (op == "relu") return overwrites() ? at::relu_(const_cast<at::Tensor&>(in[0])) : at::relu(in[0]);
  if (op == "relu6") return overwrites() ? at::relu6_(const_cast<at::Tensor&>(in[0])) : at::relu6(in[0]);
  if (op == "hard_swish") return overwrites() ? at::hardswish_(const_cast<at::Tensor&>(in[0])) : at::hardswish(in[0]);
  if (op == "hard_sigmoid") return at::hardsigmoid(in[0]);
  if (op == "silu") return overwrites() ? at::silu_(const_cast<at::Tensor&>(in[0])) : at::silu(in[0]);
  if (op == "gelu") return at::gelu(in[0]);
  if (op == "sigmoid") return at::sigmoid(in[0]);
  if (op == "tanh") return at::tanh(in[0]);
  if (op == "max_pool") return max_pool(set, in[0]);
  if (op == "avg_pool") return avg_pool(set, in[0]);
  if (op == "global_avg_pool") return in[0].mean(at::IntArrayRef{2, 3});
  if (op == "global_max_pool") return in[0].amax(at::IntArrayRef{2, 3});
  if (op == "flatten") return in[0].flatten(1);
  if (op == "resize") return at::upsample_bilinear2d(in[0], {layer.shape[1], layer.shape[2]}, false);
  if (op == "repeat_channels") return in[0].repeat({1, set.at("times").get<int64_t>(), 1, 1});
  if (op == "add") {
    at::Tensor sum = in[0] + in[1];
    for (size_t i = 2; i < in.size(); ++i) sum = sum + in[i];
    return sum;
  }
  if (op == "concat") return at::cat(in, 1);
  if (op == "multiply") return gated(in[0], in[1]);
  if (op == "scale") return in[0] * set.at("factor").get<double>() + set.value("offset", 0.0);
  if (op == "normalize") return (in[0] - per_channel(weight("mean"), in[0])) / per_channel(weight("std"), in[0]);
  fail("E0414", "no operation is called '" + op + "'");
}

const std::vector<Step>& Executor::steps(const std::vector<int>& wanted, const Randomness* randomness, bool given) const {
  const int64_t epoch = randomness == nullptr ? -1 : std::min(randomness->epoch, last_thaw_);
  const auto [found, is_new] = plans_.try_emplace({wanted, epoch, given});
  if (is_new) found->second = plan(net_, wanted, randomness != nullptr, epoch, given ? given_ : std::vector<int>());
  return found->second;
}

std::vector<at::Tensor> Executor::run(const Inputs& inputs, const std::vector<int>& wanted, Randomness* randomness,
                                      LayerClock* clock) const {
  Values values(net_.layers().size()), mixtures(net_.layers().size());
  const Mixing* mixing = randomness != nullptr ? randomness->mixing : nullptr;
  const auto leaving = [&](size_t from) -> at::Tensor {
    if (mixing == nullptr || !gives_pixels_[from]) return values[from];
    if (!mixtures[from].defined()) mixtures[from] = mixed(values[from], *mixing);
    return mixtures[from];
  };
  const bool given = !given_.empty() && inputs.contains(value_name(given_.front()));
  if (given)
    for (const int layer : given_) values[static_cast<size_t>(layer)] = inputs.at(value_name(layer));
  for (const Step& step : steps(wanted, randomness, given)) {
    Values in;
    for (const size_t from : step.in) in.push_back(gives_pixels_[step.layer] ? values[from] : leaving(from));
    for (const size_t from : step.last) values[from] = mixtures[from] = at::Tensor();
    const bool asked = std::ranges::any_of(in, [](const at::Tensor& x) { return x.requires_grad(); });
    const at::AutoGradMode gradients(at::GradMode::is_enabled() && (!step.fixed || asked));
    if (clock != nullptr) clock->forward_begins();
    try {
      values[step.layer] = execute(step, in, inputs, step.frozen ? nullptr : randomness);
    } catch (const c10::Error& error) {
      fail("E0415", shown(net_.layers()[step.layer]) + ": " + error.what_without_backtrace());
    }
    if (clock != nullptr) clock->forward_ends(step, values[step.layer]);
  }
  std::vector<at::Tensor> results;
  for (const int layer : wanted) results.push_back(leaving(static_cast<size_t>(layer)));
  return results;
}

}  // namespace espalier::engine
