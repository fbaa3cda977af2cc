#include "espalier/engine/norm_activation.h"

#include "espalier/engine/norm_kernels.h"
#include "espalier/shape.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

namespace espalier::engine {

namespace {

/// Values (rows, channels) of a tensor, and the rows that one task works on: fixed by the shape alone, so that sums do
/// not depend on the number of threads.
struct Plane {
  int64_t rows;
  int64_t channels;
  int64_t chunk;
  int64_t chunks() const { return ceil_div(rows, chunk); }
};

Plane plane_of(const at::Tensor& x) {
  const int64_t channels = x.size(1);
  const int64_t rows = x.numel() / std::max<int64_t>(channels, 1);
  constexpr int64_t kValuesInCache = 4096;  // two such pieces stay in the first-level cache
  return {.rows = rows, .channels = channels, .chunk = std::max<int64_t>(kValuesInCache / channels, 16)};
}

/// Calls `work(first row, rows, chunk)` for every chunk, on all threads.
template <class Work>
void for_chunks(const Plane& plane, const Work& work) {
  at::parallel_for(0, plane.chunks(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      const int64_t first = chunk * plane.chunk;
      work(first, std::min(plane.chunk, plane.rows - first), chunk);
    }
  });
}

/// Two sums per channel over all rows: partial ones in float, their sum in double, in a fixed order.
struct TwoSums {
  std::vector<double> first;
  std::vector<double> second;
};

template <class Work>
TwoSums two_sums(const Plane& plane, const Work& work) {
  const auto width = static_cast<size_t>(plane.channels);
  std::vector<float> parts(static_cast<size_t>(plane.chunks()) * width * 2);
  for_chunks(plane, [&](int64_t first, int64_t rows, int64_t chunk) {
    float* part = parts.data() + static_cast<size_t>(chunk) * width * 2;
    work(first, rows, part, part + width);
  });
  TwoSums sums{std::vector<double>(width), std::vector<double>(width)};
  for (size_t part = 0; part < parts.size(); part += width * 2) {
    for (size_t c = 0; c < width; ++c) {
      sums.first[c] += static_cast<double>(parts[part + c]);
      sums.second[c] += static_cast<double>(parts[part + width + c]);
    }
  }
  return sums;
}

at::Tensor channels_last(const at::Tensor& x) { return x.dim() == 4 ? x.contiguous(at::MemoryFormat::ChannelsLast) : x.contiguous(); }

/// The batch's mean and variance about it (C), by distances from the first row: no digits are lost to a large mean.
template <class T>
std::pair<std::vector<double>, std::vector<double>> batch_moments(const at::Tensor& x, const Plane& plane) {
  const T* values = x.const_data_ptr<T>();
  const auto width = static_cast<size_t>(plane.channels);
  std::vector<float> origin(width);
  for (size_t c = 0; c < width; ++c) origin[c] = static_cast<float>(values[c]);
  TwoSums sums = two_sums(plane, [&](int64_t first, int64_t rows, float* part, float* part_squares) {
    kernels::moments(values + first * plane.channels, rows, plane.channels, origin.data(), part, part_squares);
  });
  const auto count = static_cast<double>(plane.rows);
  for (size_t c = 0; c < width; ++c) {
    const double shift = sums.first[c] / count;
    sums.second[c] = std::max(sums.second[c] / count - shift * shift, 0.0);
    sums.first[c] = static_cast<double>(origin[c]) + shift;
  }
  return {std::move(sums.first), std::move(sums.second)};
}

void follow(const at::Tensor& running, const std::vector<double>& values, double momentum, double correction) {
  auto* to = running.data_ptr<float>();
  for (size_t c = 0; c < values.size(); ++c)
    to[c] = static_cast<float>((1.0 - momentum) * static_cast<double>(to[c]) + momentum * values[c] * correction);
}

/// Rows of the small per-channel table that is kept for the way back.
enum Row : int64_t { kFactor, kOffset, kMean, kInverse, kRows };

template <class T>
void scale_and_activate(const at::Tensor& x, const at::Tensor& residual, const float* factor, const float* offset, Activation activation,
                        at::Tensor& y) {
  const Plane plane = plane_of(x);
  const kernels::Channels on{.factor = factor, .offset = offset, .mean = nullptr, .gain = nullptr, .base = nullptr};
  const T* from = x.const_data_ptr<T>();
  const T* added = residual.defined() ? residual.const_data_ptr<T>() : nullptr;
  T* to = y.data_ptr<T>();
  for_chunks(plane, [&](int64_t first, int64_t rows, int64_t) {
    const int64_t at = first * plane.channels;
    kernels::forward(activation, from + at, added != nullptr ? added + at : nullptr, to + at, rows, plane.channels, on);
  });
}

template <class T>
at::Tensor run_forward(const at::Tensor& x, const at::Tensor& residual, const NormWeights& weights, Activation activation,
                       double momentum, double epsilon, at::Tensor& table) {
  const Plane plane = plane_of(x);
  const auto [mean, variance] = batch_moments<T>(x, plane);
  const auto count = static_cast<double>(plane.rows);
  follow(weights.running_mean, mean, momentum, 1.0);
  follow(weights.running_variance, variance, momentum, count / std::max(count - 1.0, 1.0));
  table = at::empty({kRows, plane.channels}, at::kFloat);
  auto* rows_of_table = table.data_ptr<float>();
  const float* scale = weights.scale.const_data_ptr<float>();
  const float* shift = weights.shift.const_data_ptr<float>();
  for (int64_t c = 0; c < plane.channels; ++c) {
    const double inverse = 1.0 / std::sqrt(variance[static_cast<size_t>(c)] + epsilon);
    const double factor = static_cast<double>(scale[c]) * inverse;
    rows_of_table[kFactor * plane.channels + c] = static_cast<float>(factor);
    rows_of_table[kOffset * plane.channels + c] = static_cast<float>(static_cast<double>(shift[c]) - mean[static_cast<size_t>(c)] * factor);
    rows_of_table[kMean * plane.channels + c] = static_cast<float>(mean[static_cast<size_t>(c)]);
    rows_of_table[kInverse * plane.channels + c] = static_cast<float>(inverse);
  }
  at::Tensor y = at::empty_like(x);
  scale_and_activate<T>(x, residual, rows_of_table, rows_of_table + plane.channels, activation, y);
  return y;
}

/// Which gradients are asked for, and where they go.
struct Gradients {
  at::Tensor x;
  at::Tensor residual;
  at::Tensor scale;
  at::Tensor shift;
};

template <class T>
void run_backward(const at::Tensor& x, const at::Tensor& y, const at::Tensor& dy, const at::Tensor& table, Activation activation,
                  Gradients& gradients) {
  const Plane plane = plane_of(x);
  const auto width = static_cast<size_t>(plane.channels);
  const T* from = x.const_data_ptr<T>();
  const T* result = y.defined() ? y.const_data_ptr<T>() : nullptr;
  const T* incoming = dy.const_data_ptr<T>();
  const auto* rows_of_table = table.const_data_ptr<float>();
  kernels::Channels on{.factor = rows_of_table, .offset = rows_of_table + width, .mean = rows_of_table + 2 * width, .gain = nullptr, .base = nullptr};
  const float* inverse = rows_of_table + 3 * width;
  const TwoSums sums = two_sums(plane, [&](int64_t first, int64_t rows, float* part, float* part_products) {
    const int64_t at = first * plane.channels;
    kernels::gradient_sums(activation, from + at, result != nullptr ? result + at : nullptr, incoming + at, rows, plane.channels, on, part,
                  part_products);
  });
  std::vector<float> gain(width);
  std::vector<float> base(width);
  for (size_t c = 0; c < width; ++c) {
    const double inverse_c = static_cast<double>(inverse[c]);
    const double count = static_cast<double>(plane.rows);
    const double slope = -static_cast<double>(on.factor[c]) * sums.second[c] * inverse_c * inverse_c / count;
    gain[c] = static_cast<float>(slope);
    base[c] = static_cast<float>(-static_cast<double>(on.factor[c]) * sums.first[c] / count - slope * static_cast<double>(on.mean[c]));
    if (gradients.scale.defined()) gradients.scale.data_ptr<float>()[c] = static_cast<float>(sums.second[c] * inverse_c);
    if (gradients.shift.defined()) gradients.shift.data_ptr<float>()[c] = static_cast<float>(sums.first[c]);
  }
  if (!gradients.x.defined() && !gradients.residual.defined()) return;
  on.gain = gain.data();
  on.base = base.data();
  T* dx = gradients.x.defined() ? gradients.x.data_ptr<T>() : nullptr;
  T* dresidual = gradients.residual.defined() ? gradients.residual.data_ptr<T>() : nullptr;
  for_chunks(plane, [&](int64_t first, int64_t rows, int64_t) {
    const int64_t at = first * plane.channels;
    kernels::backward(activation, from + at, result != nullptr ? result + at : nullptr, incoming + at, dx != nullptr ? dx + at : nullptr,
             dresidual != nullptr ? dresidual + at : nullptr, rows, plane.channels, on);
  });
}

/// By LibTorch's operations, for devices that our kernels do not know.
at::Tensor activated(const at::Tensor& x, const at::Tensor& residual, Activation activation) {
  const at::Tensor sum = residual.defined() ? x + residual.to(x.scalar_type()) : x;
  switch (activation) {
    case Activation::none: break;
    case Activation::relu: return at::relu(sum);
    case Activation::relu6: return at::relu6(sum);
    case Activation::hard_swish: return at::hardswish(sum);
    case Activation::silu: return at::silu(sum);
    case Activation::gelu: return at::gelu(sum);
  }
  return sum;
}

struct Node : torch::autograd::Function<Node> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x,
                            const std::optional<at::Tensor>& residual, const at::Tensor& scale, const at::Tensor& shift,
                            const at::Tensor& running_mean, const at::Tensor& running_variance, int64_t activation,
                            double momentum, double epsilon) {
    const at::Tensor values = channels_last(x);
    const at::Tensor added = residual ? channels_last(residual->to(values.scalar_type())) : at::Tensor();
    const NormWeights weights{scale, shift, running_mean, running_variance};
    at::Tensor table;
    const auto kind = static_cast<Activation>(activation);
    at::Tensor y = values.scalar_type() == at::kBFloat16
                       ? run_forward<c10::BFloat16>(values, added, weights, kind, momentum, epsilon, table)
                       : run_forward<float>(values, added, weights, kind, momentum, epsilon, table);
    const bool keeps_result = added.defined() && kind != Activation::none;
    context->save_for_backward({values, keeps_result ? y : at::Tensor(), table});
    context->saved_data["activation"] = activation;
    context->saved_data["adds"] = residual.has_value();
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& outgoing) {
    const torch::autograd::variable_list saved = context->get_saved_variables();
    const at::Tensor& x = saved[0];
    const at::Tensor& table = saved[2];
    const at::Tensor dy = channels_last(outgoing[0].to(x.scalar_type()));
    const auto kind = static_cast<Activation>(context->saved_data["activation"].toInt());
    Gradients gradients;
    // An absent residual has no edge and does not count.
    const bool adds = context->saved_data["adds"].toBool();
    const size_t first_weight = adds ? 2 : 1;
    if (context->needs_input_grad(0)) gradients.x = at::empty_like(x);
    const bool wants_residual = adds && context->needs_input_grad(1);
    // Without an activation the gradient goes through as it came.
    if (wants_residual && kind != Activation::none) gradients.residual = at::empty_like(x);
    if (context->needs_input_grad(first_weight)) gradients.scale = at::empty({x.size(1)}, at::kFloat);
    if (context->needs_input_grad(first_weight + 1)) gradients.shift = at::empty({x.size(1)}, at::kFloat);
    if (x.scalar_type() == at::kBFloat16) {
      run_backward<c10::BFloat16>(x, saved[1], dy, table, kind, gradients);
    } else {
      run_backward<float>(x, saved[1], dy, table, kind, gradients);
    }
    if (wants_residual && kind == Activation::none) gradients.residual = dy;
    return {gradients.x, gradients.residual, gradients.scale, gradients.shift, {}, {}, {}, {}, {}};
  }
};

}  // namespace

at::Tensor per_channel(const at::Tensor& values, const at::Tensor& like) {
  return like.dim() == 4 ? values.view({1, -1, 1, 1}) : values.view({1, -1});
}

at::Tensor norm_activation(const at::Tensor& x, const at::Tensor& residual, const NormWeights& weights, Activation activation,
                           double momentum, double epsilon) {
  if (!x.is_cpu()) {
    const at::Tensor normed = at::batch_norm(x, weights.scale, weights.shift, weights.running_mean, weights.running_variance, true, momentum,
                                             epsilon, true);
    return activated(normed, residual, activation);
  }
  const std::optional<at::Tensor> added = residual.defined() ? std::optional(residual) : std::nullopt;
  return Node::apply(x, added, weights.scale, weights.shift, weights.running_mean, weights.running_variance,
                     static_cast<int64_t>(activation), momentum, epsilon);
}

at::Tensor settled_norm_activation(const at::Tensor& x, const at::Tensor& residual, const ScaleShift& norm, Activation activation, bool in_place) {
  if (!x.is_cpu()) {
    // Scaled in float32, as our kernels do: a large mean would leave a shift of few digits.
    const at::Tensor normed = at::addcmul(per_channel(norm.shift, x), x.to(at::kFloat), per_channel(norm.scale, x)).to(x.scalar_type());
    return activated(normed, residual, activation);
  }
  const at::Tensor values = channels_last(x);
  const at::Tensor added = residual.defined() ? channels_last(residual.to(values.scalar_type())) : at::Tensor();
  at::Tensor y = in_place ? values : at::empty_like(values);
  const float* factor = norm.scale.const_data_ptr<float>();
  const float* offset = norm.shift.const_data_ptr<float>();
  if (values.scalar_type() == at::kBFloat16) {
    scale_and_activate<c10::BFloat16>(values, added, factor, offset, activation, y);
  } else {
    scale_and_activate<float>(values, added, factor, offset, activation, y);
  }
  return y;
}

ScaleShift evaluation_norm(const NormWeights& weights, double epsilon) {
  const at::Tensor scale = weights.scale * at::rsqrt(weights.running_variance + epsilon);
  return {scale, weights.shift - weights.running_mean * scale};
}

}  // namespace espalier::engine
