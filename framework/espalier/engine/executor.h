#pragma once

#include "espalier/engine/layer_clock.h"
#include "espalier/engine/plan.h"
#include "espalier/engine/randomness.h"
#include "espalier/engine/weights.h"
#include "espalier/network.h"

#include <ATen/ATen.h>

#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace espalier::engine {

/// "layer 3 (conv) of trunk/stage1": a layer in messages.
std::string shown(const Layer& layer);

/// Tensors by the name of the network's input.
using Inputs = std::map<std::string, at::Tensor>;

/// The name under which the value of a layer may stand among the inputs.
std::string value_name(int layer);

/// Runs a network. Pictures are float (B, C, H, W) in channels-last memory, vectors (B, N).
class Executor {
 public:
  /// Convolutions and matrices are multiplied in `arithmetic`: float32, bfloat16 or float16.
  Executor(const Network& net, const Weights& weights, at::ScalarType arithmetic = at::kFloat);

  /// From now on the values of these layers are taken from the inputs wherever they hold them.
  void take(std::vector<int> layers) { given_ = std::move(layers); }

  /// Values of the layers `wanted` (indices), in that order. `randomness` means training: statistics of the batch,
  /// augmentation, mixing and dropout, but for what is frozen in its epoch; without it the pass is the evaluation's. Nothing
  /// else than what is wanted is computed. `clock` is told when each step begins and ends.
  std::vector<at::Tensor> run(const Inputs& inputs, const std::vector<int>& wanted, Randomness* randomness,
                              LayerClock* clock = nullptr) const;

 private:
  using Values = std::vector<at::Tensor>;
  const std::vector<Step>& steps(const std::vector<int>& wanted, const Randomness* randomness, bool given) const;
  at::Tensor execute(const Step& step, const Values& in, const Inputs& inputs, Randomness* randomness) const;
  /// In the precision of the machine; filters and bias are float32.
  at::Tensor convolved(const Json& set, const at::Tensor& x, const at::Tensor& filters, const at::Tensor& bias) const;
  at::Tensor normalized(const Step& step, const Values& in) const;
  /// A tensor of a layer; what is frozen has no gradient.
  at::Tensor weight(const Layer& layer, const char* name, bool frozen) const;
  NormWeights norm_weights(const Layer& layer, bool frozen) const;
  at::Tensor lower(const at::Tensor& x) const;
  at::Tensor augmented(const Layer& layer, const at::Tensor& x, Randomness& randomness) const;

  const Network& net_;
  const Weights& weights_;
  at::ScalarType arithmetic_;
  std::vector<bool> gives_pixels_;  ///< by layer: what is mixed, once it is read by a layer that does not
  int64_t last_thaw_ = 0;  ///< the epoch from which on the plan of training stays the same
  std::vector<int> given_;
  /// By what is wanted, the epoch (-1: evaluation), and whether values are given.
  mutable std::map<std::tuple<std::vector<int>, int64_t, bool>, std::vector<Step>> plans_;
};

}  // namespace espalier::engine
