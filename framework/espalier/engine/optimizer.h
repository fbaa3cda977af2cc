#pragma once

#include "espalier/json.h"

#include <cstdint>
#include <span>
#include <vector>

namespace espalier::engine {

/// A run of elements of the flat parameter buffer that are treated alike.
struct Segment {
  int64_t begin = 0;
  int64_t end = 0;
  bool decays = true;  ///< weight decay applies (filters and matrices; not biases, not norms)
};

/// sgd, adam or adamw over one flat buffer of float32 parameters. Deterministic: every element is updated on its own.
class Optimizer {
 public:
  /// `settings` is {"name", "learning_rate", "momentum", ...}. Throws E0411 for an unknown name.
  Optimizer(const Json& settings, int64_t size, std::vector<Segment> segments);

  double learning_rate() const { return learning_rate_; }
  /// One update with the learning rate times `factor`; gradients are multiplied by `gradient_scale` first (clipping).
  void step(std::span<float> parameters, std::span<const float> gradients, double factor, double gradient_scale);

  /// State for checkpoints: momentum or first moments, second moments (empty for sgd), updates done.
  std::vector<float> first;
  std::vector<float> second;
  int64_t updates = 0;

 private:
  enum class Kind { sgd, adam, adamw };
  void sgd(const Segment& segment, float* w, const float* g, float rate, float scale);
  void adam(const Segment& segment, float* w, const float* g, float rate, float scale);

  Kind kind_ = Kind::sgd;
  double learning_rate_ = 0.01;
  float momentum_ = 0.9F;
  bool nesterov_ = false;
  float weight_decay_ = 0.0F;
  double beta1_ = 0.9;
  double beta2_ = 0.999;
  float epsilon_ = 1e-8F;
  std::vector<Segment> segments_;
};

/// Euclidean length, summed in double precision in a fixed order.
double norm(std::span<const float> values);

}  // namespace espalier::engine
