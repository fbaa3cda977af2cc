#include "espalier/error.h"
#include "espalier/network.h"

#include <fmt/format.h>

namespace espalier {

namespace {

const char* word(Padding padding) { return padding == Padding::same ? "same" : "valid"; }

Json settings(const PoolOptions& options) {
  return {{"kernel", options.kernel}, {"stride", options.stride}, {"padding", word(options.padding)}};
}

}  // namespace

Value Network::conv(Value x, const ConvOptions& options) {
  return emit("conv", {x},
              {{"filters", options.filters},
               {"kernel", options.kernel},
               {"stride", options.stride},
               {"groups", options.groups},
               {"padding", word(options.padding)},
               {"bias", options.bias},
               {"init", options.init},
               {"trained", options.trained}});
}

Value Network::depthwise_conv(Value x, int64_t kernel, int64_t stride, Padding padding) {
  const int64_t width = channels(x);
  return conv(x, {.filters = width, .kernel = kernel, .stride = stride, .groups = width, .padding = padding});
}

Value Network::separable_conv(Value x, const ConvOptions& options) {
  const Value spatial = depthwise_conv(x, options.kernel, options.stride, options.padding);
  return conv(spatial, {.filters = options.filters, .kernel = 1, .groups = options.groups, .bias = options.bias});
}

Value Network::dense(Value x, int64_t units, bool bias) {
  return emit("dense", {x}, {{"units", units}, {"bias", bias}});
}

Value Network::batch_norm(Value x, const BatchNormOptions& options) {
  return emit("batch_norm", {x}, {{"momentum", options.momentum}, {"epsilon", options.epsilon}, {"scale", options.scale}});
}

Value Network::relu(Value x) { return emit("relu", {x}, {}); }
Value Network::relu6(Value x) { return emit("relu6", {x}, {}); }
Value Network::silu(Value x) { return emit("silu", {x}, {}); }
Value Network::gelu(Value x) { return emit("gelu", {x}, {}); }
Value Network::sigmoid(Value x) { return emit("sigmoid", {x}, {}); }

Value Network::activation(Value x, const std::string& name) {
  if (name == "none") return x;
  const std::vector<std::string> known = {"relu", "relu6", "silu", "gelu", "sigmoid", "tanh"};
  for (const std::string& candidate : known)
    if (name == candidate) return emit(name, {x}, {});
  const std::string near = nearest(name, known);
  fail("E0321", fmt::format("there is no activation '{}'; there are {} and none", name, join(known)),
       near.empty() ? "" : fmt::format("did you mean '{}'?", near));
}

Value Network::max_pool(Value x, const PoolOptions& options) { return emit("max_pool", {x}, settings(options)); }
Value Network::avg_pool(Value x, const PoolOptions& options) { return emit("avg_pool", {x}, settings(options)); }
Value Network::global_avg_pool(Value x) { return emit("global_avg_pool", {x}, {}); }
Value Network::global_max_pool(Value x) { return emit("global_max_pool", {x}, {}); }
Value Network::flatten(Value x) { return emit("flatten", {x}, {}); }

Value Network::resize(Value x, int64_t height, int64_t width) {
  return emit("resize", {x}, {{"height", height}, {"width", width}});
}

Value Network::repeat_channels(Value x, int64_t times) {
  return times == 1 ? x : emit("repeat_channels", {x}, {{"times", times}});
}

Value Network::add(Value a, Value b) { return emit("add", {a, b}, {}); }
Value Network::add(const std::vector<Value>& xs) { return xs.size() == 1 ? xs[0] : emit("add", xs, {}); }
Value Network::concat(const std::vector<Value>& xs) { return xs.size() == 1 ? xs[0] : emit("concat", xs, {}); }
Value Network::multiply(Value x, Value gate) { return emit("multiply", {x, gate}, {}); }

Value Network::scale(Value x, double factor, double offset) {
  return emit("scale", {x}, {{"factor", factor}, {"offset", offset}});
}

Value Network::normalize(Value x, const std::vector<double>& mean, const std::vector<double>& std) {
  return emit("normalize", {x}, {{"mean", mean}, {"std", std}});
}

Value Network::dropout(Value x, double rate) { return rate == 0 ? x : emit("dropout", {x}, {{"rate", rate}}); }
Value Network::drop_path(Value x, double rate) { return rate == 0 ? x : emit("drop_path", {x}, {{"rate", rate}}); }

Value Network::random_flip(Value x, bool horizontal, bool vertical) {
  if (!horizontal && !vertical) return x;
  return emit("random_flip", {x}, {{"horizontal", horizontal}, {"vertical", vertical}});
}

Value Network::alternating_flip(Value x) {
  return emit("random_flip", {x}, {{"horizontal", true}, {"vertical", false}, {"alternating", true}});
}

Value Network::random_translate(Value x, double height, double width) {
  if (height == 0 && width == 0) return x;
  return emit("random_translate", {x}, {{"height", height}, {"width", width}});
}

Value Network::random_rotate(Value x, double fraction_of_turn) {
  return fraction_of_turn == 0 ? x : emit("random_rotate", {x}, {{"fraction", fraction_of_turn}});
}

Value Network::random_zoom(Value x, double factor) {
  return factor == 0 ? x : emit("random_zoom", {x}, {{"factor", factor}});
}

Value Network::random_contrast(Value x, double factor) {
  return factor == 0 ? x : emit("random_contrast", {x}, {{"factor", factor}});
}

}  // namespace espalier
