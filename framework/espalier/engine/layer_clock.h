#pragma once

#include "espalier/engine/plan.h"

#include <ATen/ATen.h>

#include <chrono>
#include <optional>
#include <vector>

namespace espalier::engine {

/// Seconds that each layer takes, forwards and backwards, summed over steps. The executor tells of the way there; on the way
/// back a mark stands before each layer's gradient, and the time up to the next mark is that layer's.
class LayerClock {
 public:
  /// Each time is read when `device` has done what it was given.
  LayerClock(size_t layers, at::Device device) : device_(device), forward_(layers), backward_(layers) {}

  void forward_begins();
  /// The step that gives `value` has run. Steps run as one count for their last layer.
  void forward_ends(const Step& step, const at::Tensor& value);
  void backward_begins();
  void backward_ends();

  const std::vector<double>& forward() const { return forward_; }
  const std::vector<double>& backward() const { return backward_; }

 private:
  friend struct Mark;
  using Time = std::chrono::steady_clock::time_point;
  void reached(std::optional<size_t> layer);
  Time now() const;

  at::Device device_;
  std::vector<double> forward_;
  std::vector<double> backward_;
  Time since_;
  std::optional<size_t> current_;
};

}  // namespace espalier::engine
