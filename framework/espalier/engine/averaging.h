#pragma once

#include "espalier/engine/weights.h"
#include "espalier/json.h"

#include <ATen/ATen.h>

#include <cstdint>

namespace espalier::engine {

/// Flat copies of parameters and buffers.
struct Copies {
  at::Tensor parameters;
  at::Tensor buffers;
};

Copies copies_of(const Weights& weights);
void put(const Weights& weights, const Copies& copies);

/// The average of its weights that a training keeps, as `train.average` asks: `ema` is scored in their place; `lookahead` is what
/// the weights go back to every so many updates (arXiv:1907.08610; the decay that grows with the cube of the progress is
/// airbench94's, arXiv:2404.00498).
class Averaging {
 public:
  /// Begins with the weights as they are; they outlive this. `settings` are "none" or {"name": "ema", "decay"} or
  /// {"name": "lookahead", "every", "decay"}.
  Averaging(const Json& settings, const Weights& weights);

  bool is_kept() const { return copies_.parameters.defined(); }
  /// True if the average stands for the weights where they are scored.
  bool is_scored() const { return is_kept() && every_ == 0; }
  /// After update `step` (from 0) of `steps`.
  void follow(int64_t step, int64_t steps);
  const Copies& copies() const { return copies_; }

 private:
  void move(double decay);

  const Weights& weights_;
  Copies copies_;
  int64_t every_ = 0;   ///< updates between two moves of lookahead; 0: ema
  double decay_ = 0.0;  ///< share of the average that is kept: of ema in the long run, of lookahead at the end of the training
};

}  // namespace espalier::engine
