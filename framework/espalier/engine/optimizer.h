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
  bool decays = true;          ///< weight decay applies (filters and matrices; not biases, not norms)
  int64_t first_update = 0;    ///< updates of the others before its first
  double learning_rate = 1.0;  ///< multiplies the optimizer's
  double weight_decay = 1.0;   ///< multiplies the optimizer's
  Json optimizer = Json();     ///< settings of an optimizer of its own; null: the common one
  int64_t rows = 0;            ///< a filter bank as a matrix (rows, elements / rows): what muon works on; 0: not one
  int64_t count = 0;           ///< elements of that matrix: the segment may end with padding
};

/// sgd, adam, adamw, radam, lion or muon over one flat buffer of float32 parameters. Deterministic: no result depends on
/// threads. radam (arXiv:1908.03265) is adam that trusts its second moments as far as their variance is known, with adamw's
/// decay; lion (arXiv:2302.06675) moves by the sign of a momentum. muon (kellerjordan.github.io/posts/muon) moves filter banks along the nearest semi-orthogonal matrix of their momentum;
/// everything else follows its partner, sgd with Nesterov momentum.
class Optimizer {
 public:
  /// `settings` is {"name", "learning_rate", "momentum", ...}. Throws E0411 for an unknown name.
  Optimizer(const Json& settings, int64_t size, std::vector<Segment> segments);

  double learning_rate() const { return common_.learning_rate; }
  /// One update with the learning rate times `factor`; gradients are multiplied by `gradient_scale` first (clipping).
  void step(std::span<float> parameters, std::span<const float> gradients, double factor, double gradient_scale);

  /// State for checkpoints: momentum or first moments, second moments (empty where no segment has one), updates done.
  std::vector<float> first;
  std::vector<float> second;
  int64_t updates = 0;

 private:
  enum class Kind { sgd, adam, adamw, radam, lion, muon };
  /// How weights follow their gradients.
  struct Rule {
    Kind kind = Kind::sgd;
    double learning_rate = 0.01;
    float momentum = 0.9F;
    bool nesterov = false;
    float weight_decay = 0.0F;
    double beta1 = 0.9;
    double beta2 = 0.999;
    float epsilon = 1e-8F;
    int64_t iterations = 5;     ///< of Newton and Schulz
    bool fixed_norm = true;     ///< filter banks keep the norm sqrt(rows)
  };
  struct Ruled {
    Segment segment;
    Rule rule;
  };

  /// Constants of one step along moments: w <- w - pace * m / (root * sqrt(v) + floor).
  struct Pace {
    float pace;
    float root;
    float floor;
  };

  static Rule rule_of(const Json& settings, bool is_filter_bank);
  void sgd(const Ruled& on, float* w, const float* g, float rate, float scale);
  static Pace pace_of(const Rule& rule, float rate, int64_t updates_done);
  void adam(const Ruled& on, float* w, const float* g, float rate, float scale);
  void lion(const Ruled& on, float* w, const float* g, float rate, float scale);
  void muon(const Ruled& on, float* w, const float* g, float rate, float scale);

  Rule common_;
  std::vector<Ruled> ruled_;
};

/// Euclidean length, summed in double precision in a fixed order.
double norm(std::span<const float> values);

}  // namespace espalier::engine
