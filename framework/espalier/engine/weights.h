#pragma once

#include "espalier/engine/optimizer.h"
#include "espalier/network.h"
#include "espalier/network/analysis.h"

#include <ATen/ATen.h>

#include <map>
#include <string>
#include <vector>

namespace espalier::engine {

/// One named tensor within a flat buffer.
struct Entry {
  std::string key;      ///< a weight_key, or "target.<head>.mean"
  Shape shape;
  bool trained = true;
  std::string from = {};  ///< path of the part that emitted it
  std::string role = {};  ///< as the network's documents say
  int64_t trained_from = 0;  ///< the first epoch in which it is trained
  int64_t offset = 0;     ///< in its flat buffer
};

/// All tensors of a network. Trained ones, also those frozen for some epochs, are views of one flat buffer with one flat gradient, the others (running
/// statistics, scales of inputs and targets) are views of another, so that optimizers, averages and copies are single
/// operations.
class Weights {
 public:
  /// Allocates on `device` and initialises; each tensor draws from a generator of its own, derived from `seed` and its key, so
  /// that all devices begin with the same.
  Weights(const Network& net, uint64_t seed, at::Device device = at::kCPU);

  const std::vector<Entry>& entries() const { return entries_; }
  /// The tensor of a layer; undefined if it has none of that name.
  at::Tensor get(int layer, const std::string& name) const;
  at::Tensor get(const std::string& key) const;

  /// The flat buffers, float32 (N).
  const at::Tensor& parameters() const { return parameters_; }
  const at::Tensor& gradients() const { return gradients_; }
  const at::Tensor& buffers() const { return buffers_; }
  void clear_gradients() { gradients_.zero_(); }
  /// What the optimizer works on, a segment a tensor; `groups` are the trial's: [{"part", "role", "scale", "optimizer"}, ...].
  std::vector<Segment> segments(const Json& groups = Json::array(), int64_t steps_per_epoch = 1) const;

 private:
  void add(Entry entry);
  void allocate();
  /// Makes the views of the flat buffers.
  void divide();

  std::vector<Entry> entries_;
  std::map<std::string, at::Tensor> views_;
  at::Tensor parameters_;
  at::Tensor gradients_;
  at::Tensor buffers_;
  int64_t parameter_count_ = 0;
  int64_t buffer_count_ = 0;
};

/// The values of a flat buffer, wherever it is.
std::vector<float> copy_of(const at::Tensor& flat);

}  // namespace espalier::engine
