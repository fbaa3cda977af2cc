#pragma once

#include <ATen/ATen.h>

namespace espalier::engine {

/// Values (C), one a channel, seen so that they meet `like`, (B, C) or (B, C, H, W).
at::Tensor per_channel(const at::Tensor& values, const at::Tensor& like);

/// What follows a batch norm in the same pass over memory.
enum class Activation { none, relu, relu6, hard_swish, silu, gelu };

/// Scale, shift and running statistics of a batch norm, each (C) in float32.
struct NormWeights {
  at::Tensor scale;
  at::Tensor shift;
  at::Tensor running_mean;
  at::Tensor running_variance;
};

/// activation(batch_norm(x) + residual) with the statistics of the batch (arXiv:1502.03167), which also move the running
/// ones. x is (B, C) or channels-last (B, C, H, W), float32 or bfloat16; `residual` has its shape or is undefined. One
/// node of the gradient's graph that keeps x alone (and its result, where a residual was added), and two passes over
/// memory each way instead of the four to six of separate operations; on another device than the processor LibTorch's own. A residual
/// is for none, ReLU and ReLU6, whose results tell their gradients.
at::Tensor norm_activation(const at::Tensor& x, const at::Tensor& residual, const NormWeights& weights, Activation activation,
                           double momentum, double epsilon);

/// Scale and shift per channel of the evaluation's batch norm: x * scale + shift.
struct ScaleShift {
  at::Tensor scale;
  at::Tensor shift;
};
ScaleShift evaluation_norm(const NormWeights& weights, double epsilon);

/// activation(x * scale + shift + residual) in one pass, without gradients; into x itself where `in_place`.
at::Tensor settled_norm_activation(const at::Tensor& x, const at::Tensor& residual, const ScaleShift& norm, Activation activation, bool in_place);

}  // namespace espalier::engine
