#pragma once

#include "espalier/engine/checkpoint.h"

#include <ATen/ATen.h>

#include <functional>
#include <vector>

namespace espalier::engine {

/// Keeps gradients within what float16 can hold: losses are multiplied by a factor before the backward pass, gradients divided by it
/// after. Where one of them is no finite number the step is undone and the factor halved; after 2,000 steps without such a one it is
/// doubled (arXiv:1710.03740). All of it happens on the device; nothing is waited for.
class LossScale {
 public:
  /// Of another arithmetic than float16 it leaves everything as it is.
  LossScale(at::ScalarType arithmetic, at::Device device);

  at::Tensor scaled(const at::Tensor& loss) const { return active() ? loss * factor_ : loss; }
  /// Divides the flat gradient (N), when all of a step's parts are in it.
  void unscale(at::Tensor gradients);
  /// Calls `update`, which changes `state`, and takes that back if the gradient was not finite.
  void guard(const std::vector<at::Tensor>& state, const std::function<void()>& update);
  void save(TensorFile& file) const;
  void restore(const TensorFile& file);

 private:
  bool active() const { return factor_.defined(); }

  at::Tensor factor_;  ///< float32 scalars, on the device
  at::Tensor steps_;   ///< since the factor last changed
  at::Tensor finite_;  ///< whether the step's gradient is
};

}  // namespace espalier::engine
