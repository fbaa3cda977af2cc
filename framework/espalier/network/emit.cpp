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

Value Network::thresholds(Value x, int64_t count) { return emit("thresholds", {x}, {{"count", count}}); }

Value Network::batch_norm(Value x, const BatchNormOptions& options) {
  return emit("batch_norm", {x}, {{"momentum", options.momentum}, {"epsilon", options.epsilon}, {"scale", options.scale}});
}

Value Network::layer_norm(Value x, double epsilon) { return emit("layer_norm", {x}, {{"epsilon", epsilon}}); }
Value Network::channel_scale(Value x, double initial) { return emit("channel_scale", {x}, {{"initial", initial}}); }

Value Network::relu(Value x) { return emit("relu", {x}, {}); }
Value Network::relu6(Value x) { return emit("relu6", {x}, {}); }
Value Network::silu(Value x) { return emit("silu", {x}, {}); }
Value Network::gelu(Value x) { return emit("gelu", {x}, {}); }
Value Network::sigmoid(Value x) { return emit("sigmoid", {x}, {}); }
Value Network::hard_sigmoid(Value x) { return emit("hard_sigmoid", {x}, {}); }
Value Network::hard_swish(Value x) { return emit("hard_swish", {x}, {}); }

Value Network::activation(Value x, const std::string& name) {
  if (name == "none") return x;
  const std::vector<std::string> known = {"relu", "relu6", "silu", "gelu", "sigmoid", "hard_sigmoid", "hard_swish", "tanh"};
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

Value Network::growing(Value x, double start, double until) {
  return start == 1 || until == 0 ? x : emit("growing", {x}, {{"start", start}, {"until", until}});
}

Value Network::alternating_flip(Value x) {
  return emit("random_flip", {x}, {{"horizontal", true}, {"vertical", false}, {"alternating", true}});
}

Value Network::random_translate(Value x, double height, double width) {
  if (height == 0 && width == 0) return x;
  return emit("random_translate", {x}, {{"height", height}, {"width", width}});
}

Value Network::random_affine(Value x, const AffineOptions& options) {
  if (options.rotate == 0 && options.zoom == 0 && options.shear == 0) return x;
  return emit("random_affine", {x}, {{"rotate", options.rotate}, {"zoom", options.zoom}, {"shear", options.shear}});
}

Value Network::random_colour(Value x, const ColourOptions& options) {
  if (options.brightness == 0 && options.contrast == 0 && options.saturation == 0 && options.hue == 0) return x;
  return emit("random_colour", {x},
              {{"brightness", options.brightness}, {"contrast", options.contrast}, {"saturation", options.saturation}, {"hue", options.hue}});
}

Value Network::random_erase(Value x, const EraseOptions& options) {
  if (options.probability == 0 || options.most_area == 0) return x;
  return emit("random_erase", {x},
              {{"probability", options.probability},
               {"least_area", options.least_area},
               {"most_area", options.most_area},
               {"most_ratio", options.most_ratio},
               {"clipped", options.clipped},
               {"fill", options.fill}});
}

Value Network::random_operations(Value x, int64_t operations, double magnitude) {
  return operations == 0 ? x : emit("random_operations", {x}, {{"operations", operations}, {"magnitude", magnitude}});
}

}  // namespace espalier
