#include "espalier/network/operations.h"

#include "espalier/error.h"
#include "espalier/network/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iterator>

namespace espalier {

namespace {

using Shapes = Operation::Shapes;
using Weights = std::vector<Weight>;

const char* dimension(size_t index, size_t rank) {
  static constexpr const char* names[] = {"channels", "height", "width"};
  return rank == 3 ? names[index] : "features";
}

/// The extent after a window of `kernel` pixels moved by `stride`.
int64_t windows(int64_t extent, const Json& set, const char* which) {
  const int64_t kernel = at_least(1, set, "kernel");
  const int64_t stride = at_least(1, set, "stride");
  const std::string padding = set.at("padding").get<std::string>();
  if (padding == "same") return ceil_div(extent, stride);
  if (padding != "valid") throw Misfit{0, fmt::format("padding is '{}'; it is same or valid", padding)};
  if (extent < kernel)
    throw Misfit{0, fmt::format("{} is {}, less than the kernel of {} pixels", which, extent, kernel)};
  return (extent - kernel) / stride + 1;
}

Shape same_shape(const Shapes& in, const Json&) { return in[0]; }

// Weighted operations.

Shape conv_shape(const Shapes& in, const Json& set) {
  const Shape& x = picture(in);
  const int64_t filters = at_least(1, set, "filters");
  const int64_t groups = at_least(1, set, "groups");
  if (x[0] % groups != 0) throw Misfit{0, fmt::format("channels is {}, not divisible into {} groups", x[0], groups)};
  if (filters % groups != 0)
    throw Misfit{0, fmt::format("{} filters are not divisible into {} groups", filters, groups)};
  return {filters, windows(x[1], set, "height"), windows(x[2], set, "width")};
}

Weights conv_weights(const Shapes& in, const Json& set) {
  const int64_t filters = integer(set, "filters");
  const int64_t kernel = integer(set, "kernel");
  const std::string init = set.at("init").get<std::string>();
  if (init == "whitening" && filters % 2 != 0) throw Misfit{0, fmt::format("{} filters are not pairs of a direction and its negative", filters)};
  if (init == "whitening" && filters > 2 * in[0][0] * kernel * kernel)
    throw Misfit{0, fmt::format("{} filters are more than the {} directions of its patches", filters, 2 * in[0][0] * kernel * kernel)};
  Weights out = {{"weight", {filters, in[0][0] / integer(set, "groups"), kernel, kernel}, set.at("trained").get<bool>() ? "filter" : "buffer", init}};
  if (set.at("bias").get<bool>()) out.push_back({"bias", {filters}, "bias", "zeros"});
  return out;
}

int64_t conv_macs(const Shapes& in, const Shape& out, const Json& set) {
  const int64_t kernel = integer(set, "kernel");
  return elements(out) * (in[0][0] / integer(set, "groups")) * kernel * kernel;
}

Shape dense_shape(const Shapes& in, const Json& set) {
  if (in[0].size() != 1) throw Misfit{0, "it takes a vector (features); flatten or pool before it"};
  return {at_least(1, set, "units")};
}

Weights dense_weights(const Shapes& in, const Json& set) {
  const int64_t units = integer(set, "units");
  Weights out = {{"weight", {units, in[0][0]}, "matrix", "glorot"}};
  if (set.at("bias").get<bool>()) out.push_back({"bias", {units}, "bias", "zeros"});
  return out;
}

Shape thresholds_shape(const Shapes& in, const Json& set) {
  if (in[0].size() != 1) throw Misfit{0, "it takes a vector (numbers); flatten or pool before it"};
  return {in[0][0] * at_least(1, set, "count")};
}

Weights thresholds_weights(const Shapes& in, const Json& set) {
  return {{"bias", {in[0][0], integer(set, "count")}, "bias", "descending"}};
}

int64_t dense_macs(const Shapes& in, const Shape& out, const Json&) { return in[0][0] * out[0]; }

Weights batch_norm_weights(const Shapes& in, const Json& set) {
  const Shape channels = {in[0][0]};
  return {{"weight", channels, set.at("scale").get<bool>() ? "norm_scale" : "buffer", "ones"},
          {"bias", channels, "norm_bias", "zeros"},
          {"running_mean", channels, "buffer", "zeros"},
          {"running_var", channels, "buffer", "ones"}};
}

Weights layer_norm_weights(const Shapes& in, const Json&) {
  return {{"weight", {in[0][0]}, "norm_scale", "ones"}, {"bias", {in[0][0]}, "norm_bias", "zeros"}};
}

Weights channel_scale_weights(const Shapes& in, const Json&) { return {{"weight", {in[0][0]}, "norm_scale", "constant"}}; }

Shape normalize_shape(const Shapes& in, const Json& set) {
  for (const char* key : {"mean", "std"}) {
    const size_t given = set.at(key).size();
    if (given != 0 && static_cast<int64_t>(given) != in[0][0])
      throw Misfit{0,
                   fmt::format("{} is {}, but {} lists {} values", dimension(0, in[0].size()), in[0][0], key, given)};
  }
  if (set.at("mean").empty() != set.at("std").empty()) throw Misfit{0, "mean and std are given together or not at all"};
  for (const Json& value : set.at("std"))
    if (value.get<double>() <= 0) throw Misfit{0, fmt::format("std is {}; it is above 0", value.dump())};
  return in[0];
}

Weights normalize_weights(const Shapes& in, const Json&) {
  return {{"mean", {in[0][0]}, "buffer", "zeros"}, {"std", {in[0][0]}, "buffer", "ones"}};
}

// Shape.

Shape pool_shape(const Shapes& in, const Json& set) {
  const Shape& x = picture(in);
  return {x[0], windows(x[1], set, "height"), windows(x[2], set, "width")};
}

Shape global_pool_shape(const Shapes& in, const Json&) { return {picture(in)[0]}; }
Shape flatten_shape(const Shapes& in, const Json&) { return {elements(in[0])}; }

Shape resize_shape(const Shapes& in, const Json& set) {
  return {picture(in)[0], at_least(1, set, "height"), at_least(1, set, "width")};
}

Shape repeat_channels_shape(const Shapes& in, const Json& set) {
  const Shape& x = picture(in);
  return {x[0] * at_least(1, set, "times"), x[1], x[2]};
}

// Several inputs.

void require_same_rank(const Shapes& in, size_t i) {
  if (in[i].size() != in[0].size())
    throw Misfit{i, fmt::format("its shape has {} dimensions, the first input's {} has {}", in[i].size(),
                                to_string(in[0]), in[0].size())};
}

void require_same_extents(const Shapes& in, size_t i, size_t first_dimension) {
  for (size_t k = first_dimension; k < in[0].size(); ++k)
    if (in[i][k] != in[0][k])
      throw Misfit{i, fmt::format("{} is {}, the first input's is {}", dimension(k, in[0].size()), in[i][k], in[0][k])};
}

Shape add_shape(const Shapes& in, const Json&) {
  for (size_t i = 1; i < in.size(); ++i) {
    require_same_rank(in, i);
    require_same_extents(in, i, 0);
  }
  return in[0];
}

Shape concat_shape(const Shapes& in, const Json&) {
  Shape out = in[0];
  for (size_t i = 1; i < in.size(); ++i) {
    require_same_rank(in, i);
    require_same_extents(in, i, 1);
    out[0] += in[i][0];
  }
  return out;
}

Shape multiply_shape(const Shapes& in, const Json&) {
  const bool per_channel = in[0].size() == 3 && (in[1].size() == 1 || in[1] == Shape{in[1][0], 1, 1});
  if (!per_channel) return add_shape(in, {});
  if (in[1][0] != in[0][0]) throw Misfit{1, fmt::format("channels is {}, the first input's is {}", in[1][0], in[0][0])};
  return in[0];
}

// Training only.

Shape rate_shape(const Shapes& in, const Json& set) {
  const double rate = set.at("rate").get<double>();
  if (!(rate >= 0 && rate < 1)) throw Misfit{0, fmt::format("rate is {}; it is at least 0 and below 1", rate)};
  return in[0];
}

std::vector<Operation> make_operations() {
  const Json window = {{"kernel", 2}, {"stride", 2}, {"padding", "valid"}};
  const Json required;
  std::vector<Operation> all = {
      {.name = "input", .inputs_min = 0, .inputs_max = 0, .settings = {{"name", required}, {"type", required}}, .keeps_pixels = true},
      {.name = "conv",
       .settings =
           {{"filters", required}, {"kernel", 3}, {"stride", 1}, {"groups", 1}, {"padding", "same"}, {"bias", false},
            {"init", "kaiming"}, {"trained", true}},
       .shape = conv_shape,
       .weights = conv_weights,
       .macs = conv_macs},
      {.name = "dense",
       .settings = {{"units", required}, {"bias", true}},
       .shape = dense_shape,
       .weights = dense_weights,
       .macs = dense_macs},
      {.name = "thresholds", .settings = {{"count", required}}, .shape = thresholds_shape, .weights = thresholds_weights},
      {.name = "batch_norm",
       .settings = {{"momentum", 0.1}, {"epsilon", 1e-5}, {"scale", true}},
       .shape = same_shape,
       .weights = batch_norm_weights},
      {.name = "layer_norm", .settings = {{"epsilon", 1e-5}}, .shape = same_shape, .weights = layer_norm_weights},
      {.name = "channel_scale", .settings = {{"initial", 1.0}}, .shape = same_shape, .weights = channel_scale_weights},
      {.name = "normalize",
       .settings = {{"mean", Json::array()}, {"std", Json::array()}},
       .shape = normalize_shape,
       .weights = normalize_weights,
       .keeps_pixels = true},
      {.name = "scale", .settings = {{"factor", required}, {"offset", 0.0}}, .shape = same_shape, .keeps_pixels = true},
      {.name = "max_pool", .settings = window, .shape = pool_shape},
      {.name = "avg_pool", .settings = window, .shape = pool_shape},
      {.name = "global_avg_pool", .shape = global_pool_shape, .gives_size = true},
      {.name = "global_max_pool", .shape = global_pool_shape, .gives_size = true},
      {.name = "flatten", .shape = flatten_shape, .needs_size = true},
      {.name = "resize", .settings = {{"height", required}, {"width", required}}, .shape = resize_shape, .keeps_pixels = true, .gives_size = true},
      {.name = "repeat_channels", .settings = {{"times", required}}, .shape = repeat_channels_shape, .keeps_pixels = true},
      {.name = "add", .inputs_min = 2, .inputs_max = SIZE_MAX, .shape = add_shape},
      {.name = "concat", .inputs_min = 2, .inputs_max = SIZE_MAX, .shape = concat_shape},
      {.name = "multiply", .inputs_min = 2, .inputs_max = 2, .shape = multiply_shape},
      {.name = "dropout", .settings = {{"rate", required}}, .shape = rate_shape, .training_only = true},
      {.name = "drop_path", .settings = {{"rate", required}}, .shape = rate_shape, .training_only = true},
  };
  for (const char* name : {"relu", "relu6", "silu", "gelu", "sigmoid", "hard_sigmoid", "hard_swish", "tanh"})
    all.push_back({.name = name, .shape = same_shape});
  std::ranges::copy(augmentation_operations(), std::back_inserter(all));
  return all;
}

}  // namespace

const std::vector<Operation>& operations() {
  static const std::vector<Operation> table = make_operations();
  return table;
}

const Operation& operation(const std::string& name) {
  const auto found =
      std::find_if(operations().begin(), operations().end(), [&](const Operation& o) { return o.name == name; });
  if (found != operations().end()) return *found;
  std::vector<std::string> names;
  for (const Operation& o : operations()) names.push_back(o.name);
  const std::string near = nearest(name, names);
  fail("E0321", fmt::format("there is no operation '{}'", name),
       near.empty() ? "" : fmt::format("did you mean '{}'?", near));
}

std::vector<bool> give_pixels(const std::vector<Layer>& layers) {
  std::vector<bool> pixels(layers.size());
  for (size_t i = 0; i < layers.size(); ++i)
    pixels[i] = operation(layers[i].op).keeps_pixels &&
                std::ranges::all_of(layers[i].in, [&](int from) { return pixels[static_cast<size_t>(from)]; });
  return pixels;
}

std::vector<bool> grow(const std::vector<Layer>& layers) {
  std::vector<bool> growing(layers.size());
  for (size_t i = 0; i < layers.size(); ++i)
    growing[i] = layers[i].op == "growing" || (!operation(layers[i].op).gives_size &&
                 std::ranges::any_of(layers[i].in, [&](int from) { return growing[static_cast<size_t>(from)]; }));
  return growing;
}

}  // namespace espalier
