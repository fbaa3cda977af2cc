#pragma once

#include "espalier/engine/checkpoint.h"

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <vector>

namespace espalier::engine {

/// Which samples an epoch leaves out: some of the half that was easier, by the losses when they were last trained on. They are
/// drawn anew for each epoch, so that none stays away for long (after InfoBatch, arXiv:2303.04947, with epochs of one length
/// and without weights for those that stay).
class Skipping {
 public:
  /// `skipped` of the samples of `train` are left out; 0: none, and nothing is noted.
  Skipping(const std::vector<int64_t>& train, int64_t skipped, uint64_t seed, at::Device device);

  bool active() const { return skipped_ > 0; }
  /// An epoch's order (of all of the split) without those that it leaves out.
  std::vector<int64_t> rest(const std::vector<int64_t>& order, int64_t epoch) const;
  /// Notes the losses (B) of rows.
  void note(std::span<const int64_t> rows, const at::Tensor& losses);
  /// What was noted counts from now on.
  void finish_epoch();

  void save(TensorFile& file) const;
  /// All are unseen where a file holds no losses: another training went before. Throws E0420 if they are of another split.
  void restore(const TensorFile& file);

 private:
  int64_t skipped_;
  uint64_t seed_;
  std::vector<int64_t> place_;  ///< in the split, by row
  at::Tensor known_;            ///< losses by place as the epoch began, float32 (N); infinite: not seen yet
  at::Tensor noted_;            ///< now
};

}  // namespace espalier::engine
