#pragma once

#include "espalier/json.h"

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace espalier::engine {

/// A run of elements of the flat parameter buffer that are treated alike.
struct Segment {
  int64_t begin = 0;
  int64_t end = 0;
  bool decays = true;          ///< weight decay applies (filters and matrices; not biases, not norms)
  int64_t first_update = 0;    ///< of the training's updates, counted from 0
  double learning_rate = 1.0;  ///< multiplies the optimizer's
  double weight_decay = 1.0;   ///< multiplies the optimizer's
  Json optimizer = Json();     ///< settings of an optimizer of its own; null: the common one
  int64_t rows = 0;            ///< a filter bank as a matrix (rows, elements / rows): what muon works on; 0: not one
  int64_t count = 0;           ///< elements of that matrix: the segment may end with padding
};

/// sgd, adam, adamw, radam, lion or muon over one flat buffer of float32 parameters and its gradient, on any device. No result
/// depends on the number of threads. radam (arXiv:1908.03265) is adam that trusts its second moments as far as their variance is
/// known, with adamw's decay; lion (arXiv:2302.06675) moves by the sign of a momentum. muon (kellerjordan.github.io/posts/muon)
/// moves filter banks along the nearest semi-orthogonal matrix of their momentum; everything else follows its partner, sgd with
/// Nesterov momentum.
class Optimizer {
 public:
  /// `settings` is {"name", "learning_rate", "momentum", ...}; `parameters` and `gradients` (N) are kept and read at each step.
  /// Throws E0428 for an unknown name.
  Optimizer(const Json& settings, const at::Tensor& parameters, const at::Tensor& gradients, const std::vector<Segment>& segments);

  double learning_rate() const { return common_.learning_rate; }
  /// The training's update `number`, counted from 0, with the learning rate times `factor`.
  void step(int64_t number, double factor);

  /// State for checkpoints: momentum or first moments, and second moments (undefined where no segment has one).
  at::Tensor first;
  at::Tensor second;

 private:
  enum class Kind { sgd, adam, adamw, radam, lion, muon };
  /// How weights follow their gradients.
  struct Rule {
    Kind kind = Kind::sgd;
    double learning_rate = 0.01;
    double momentum = 0.9;
    bool nesterov = false;
    double weight_decay = 0.0;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    int64_t iterations = 5;     ///< of Newton and Schulz
    bool fixed_norm = true;     ///< filter banks keep the norm sqrt(rows)
    bool operator==(const Rule&) const = default;
  };
  /// All that follows one rule from one update on: views of the flat buffers, of each kind as many as of weights, or none.
  struct Group {
    Rule rule;
    int64_t first_update = 0;
    std::vector<at::Tensor> weights, gradients, first, second;
  };

  static Rule rule_of(const Json& settings, bool is_filter_bank);
  static bool has_first(const Rule& rule);
  static bool has_second(const Rule& rule);
  void add(const Rule& rule, const Segment& segment, const at::Tensor& parameters, const at::Tensor& gradients);
  static void sgd(const Group& on, double rate);
  static void adam(const Group& on, double rate, int64_t updates);
  static void radam(const Group& on, double rate, int64_t updates);
  static void lion(const Group& on, double rate);
  static void muon(const Group& on, double rate);

  Rule common_;
  std::vector<Group> groups_;
};

/// Euclidean length of a flat gradient, a scalar of double on its device.
at::Tensor gradient_norm(const at::Tensor& flat);

}  // namespace espalier::engine
