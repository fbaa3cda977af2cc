#include "espalier/engine/winograd.h"

#include "espalier/data/processor.h"
#include "espalier/engine/tiles.h"

#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>
#include <vector>

namespace espalier::engine {

namespace {

const std::vector<int64_t> kOnes = {1, 1};

const TileWay& way_of(const at::Tensor& x) { return x.scalar_type() == at::kBFloat16 ? kSmallTiles : kLargeTiles; }

/// (K, C, 3, 3) -> (9, C, K).
at::Tensor rows_of(const at::Tensor& filters) { return filters.permute({2, 3, 1, 0}).contiguous().view({9, filters.size(1), filters.size(0)}); }

/// The filters that bring gradients back: turned about, from K to C. (K, C, 3, 3) -> (9, K, C).
at::Tensor turned_rows_of(const at::Tensor& filters) {
  return filters.permute({2, 3, 0, 1}).contiguous().view({9, filters.size(0), filters.size(1)}).flip(0).contiguous();
}

/// By oneDNN.
std::tuple<at::Tensor, at::Tensor, at::Tensor> gradients_of_whole(const at::Tensor& x, const at::Tensor& filters, const at::Tensor& dy,
                                                                  std::array<bool, 3> wanted) {
  return at::convolution_backward(dy, x, filters.to(x.scalar_type()), std::nullopt, kOnes, kOnes, kOnes, false, {0, 0}, 1, wanted);
}

struct Node : torch::autograd::Function<Node> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& given, const at::Tensor& filters,
                            const std::optional<at::Tensor>& bias) {
    const at::Tensor x = given.contiguous(at::MemoryFormat::ChannelsLast);
    context->save_for_backward({x, filters});
    context->saved_data["bias"] = bias.has_value();
    if (way_of(x).pays(x, filters.size(1), filters.size(0))) return way_of(x).convolve(x, rows_of(filters), bias.value_or(at::Tensor()));
    return at::conv2d(x, filters.to(x.scalar_type()), bias ? bias->to(x.scalar_type()) : at::Tensor(), kOnes, kOnes);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, const torch::autograd::variable_list& outgoing) {
    const at::Tensor x = context->get_saved_variables()[0];
    const at::Tensor filters = context->get_saved_variables()[1];
    const at::Tensor dy = outgoing[0].contiguous(at::MemoryFormat::ChannelsLast);
    torch::autograd::variable_list gradients(3);
    if (context->needs_input_grad(0)) gradients[0] = pixel_gradient(x, filters, dy);
    if (context->needs_input_grad(1)) gradients[1] = filter_gradient(x, filters, dy);
    if (context->saved_data["bias"].toBool() && context->needs_input_grad(2)) gradients[2] = dy.sum(at::IntArrayRef{0, 2, 3}, false, at::kFloat);
    return gradients;
  }

  static at::Tensor pixel_gradient(const at::Tensor& x, const at::Tensor& filters, const at::Tensor& dy) {
    if (way_of(x).pays(x, filters.size(0), filters.size(1))) return way_of(x).convolve(dy, turned_rows_of(filters), {});
    return std::get<0>(gradients_of_whole(x, filters, dy, {true, false, false}));
  }

  static at::Tensor filter_gradient(const at::Tensor& x, const at::Tensor& filters, const at::Tensor& dy) {
    const TileWay& way = way_of(x);
    if (!way.gradient_always_pays && !way.pays(x, filters.size(1), filters.size(0)))
      return std::get<1>(gradients_of_whole(x, filters, dy, {false, true, false}));
    return way.filter_gradient(x, dy).view({3, 3, x.size(1), dy.size(1)}).permute({3, 2, 0, 1});
  }
};

}  // namespace

bool TileWay::pays(const at::Tensor& x, int64_t channels, int64_t filters) const {
  if (!fits(channels, filters)) return false;
  const auto products = static_cast<double>(channels * filters);
  const double tile = products + input_cost * static_cast<double>(channels) + output_cost * static_cast<double>(filters);
  const auto places = static_cast<double>((side + 2) * (side + 2));
  const auto windows = static_cast<double>(side * side) * Tiles(x, side).whole();
  return places * tile < whole_cost * 9.0 * windows * products;
}

bool suits_winograd(const at::Tensor& x, const at::Tensor& filters) {
  static const bool has_pairs = multiplies_bf16();
  if (!x.is_cpu() || x.dim() != 4 || filters.size(2) != 3 || filters.size(3) != 3 || filters.size(1) != x.size(1)) return false;
  if (x.scalar_type() != at::kFloat && (x.scalar_type() != at::kBFloat16 || !has_pairs)) return false;
  constexpr int64_t kFewest = 16;
  return std::min(x.size(1), filters.size(0)) >= kFewest && way_of(x).fits(x.size(1), filters.size(0));
}

at::Tensor winograd(const at::Tensor& x, const at::Tensor& filters, const at::Tensor& bias) {
  return Node::apply(x, filters, bias.defined() ? std::optional(bias) : std::nullopt);
}

}  // namespace espalier::engine
