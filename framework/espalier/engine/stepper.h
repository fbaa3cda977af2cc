#pragma once

#include "espalier/engine/layer_clock.h"
#include "espalier/engine/mix.h"
#include "espalier/engine/optimizer.h"
#include "espalier/engine/session.h"
#include "espalier/network/length.h"

#include <optional>
#include <span>
#include <vector>

namespace espalier::engine {

/// The parts of a training step, in their order: a training repeats them, a profile measures each.
class Stepper {
 public:
  /// Throws Failure ("data") if the training split holds no row.
  Stepper(const Json& trial, Session& session);

  const Length& length() const { return length_; }
  Optimizer& optimizer() { return optimizer_; }
  /// The training split as an epoch goes through it.
  std::vector<int64_t> order(int64_t epoch) const;
  /// The rows of one batch of an epoch.
  std::span<const int64_t> rows(std::span<const int64_t> order, int64_t batch) const;

  struct Pass {
    std::vector<at::Tensor> values;  ///< of the output layers
    std::optional<Mixing> mixing;
  };
  /// `randomness` tells the rows; how they are mixed is drawn from `mix`.
  Pass forward(const Batch& batch, Randomness& randomness, Random& mix, LayerClock* clock = nullptr) const;
  at::Tensor loss(const Batch& batch, const Pass& pass) const;
  /// Of each sample (B), without a gradient.
  at::Tensor loss_of_each(const Batch& batch, const Pass& pass) const;

 private:
  const Json& trial_;
  Session& session_;
  Length length_;
  Optimizer optimizer_;
  Mixer mixer_;
};

}  // namespace espalier::engine
