#pragma once

#include "espalier/data/prepared.h"
#include "espalier/engine/executor.h"
#include "espalier/engine/kept_values.h"
#include "espalier/json.h"
#include "espalier/network.h"

#include <ATen/ATen.h>

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace espalier::engine {

/// Targets by head: int64 classes (B), or float (B, K).
using Targets = std::map<std::string, at::Tensor>;

struct Batch {
  Inputs inputs;
  Targets targets;
  at::Tensor importance;  ///< (B) sample weights, 1 in the mean over the training split; undefined: all count the same
};

/// Gathers rows of mapped columns into tensors: pictures become float (B, C, H, W) in channels-last memory. A device other than
/// the processor is sent each column of pictures once, if it is not too large, and gathers from that.
class Batches {
 public:
  /// `data` is the trial's {"cache", "splits", "inputs", "targets", "sample_weight"}; tensors are on `device`. Throws E2xxx.
  Batches(const Json& data, const Network& net, at::Device device = at::kCPU);

  /// From now on these values stand among the inputs, and columns that only they were computed from do not.
  void keep(std::shared_ptr<const KeptValues> values, const Network& net);
  const Splits& splits() const { return splits_; }
  /// Rows of "train", "validation" or "test"; throws E0416 for another name.
  const std::vector<int64_t>& split(const std::string& name) const;
  const Prepared& prepared() const { return prepared_; }
  Batch gather(std::span<const int64_t> rows) const;
  Inputs inputs(std::span<const int64_t> rows) const;
  at::Tensor target(const std::string& head, std::span<const int64_t> rows) const;
  const ColumnView& target_column(const std::string& head) const;

 private:
  void read_sample_weights();
  at::Tensor pictures_of(const std::string& column, std::span<const int64_t> rows) const;

  const at::Device device_;
  Prepared prepared_;
  Splits splits_;
  std::shared_ptr<const KeptValues> kept_;
  std::map<std::string, std::string> input_columns_;
  std::map<std::string, std::string> target_columns_;
  std::map<std::string, at::Tensor> sent_;  ///< by column: all its pictures (N, H, W, C) as bytes, on the device
  std::string weight_column_;  ///< "": none
  double weight_scale_ = 1.0;
};

/// The rows of an epoch in its order: depends on seed and epoch alone (counted from 0).
std::vector<int64_t> shuffled(const std::vector<int64_t>& rows, uint64_t seed, int64_t epoch);

/// Pictures (B, H, W, C) of bytes as float tensor (B, C, H, W), channels last.
at::Tensor pictures(const uint8_t* values, const Shape& height_width_channels, std::span<const int64_t> rows);

}  // namespace espalier::engine
