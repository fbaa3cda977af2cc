#include "espalier/engine/plan.h"

#include "espalier/network/analysis.h"

#include <map>
#include <set>

namespace espalier::engine {

namespace {

/// What a batch norm can run with.
std::optional<Activation> activation_of(const std::string& op) {
  if (op == "relu") return Activation::relu;
  if (op == "relu6") return Activation::relu6;
  if (op == "hard_swish") return Activation::hard_swish;
  if (op == "silu") return Activation::silu;
  if (op == "gelu") return Activation::gelu;
  return std::nullopt;
}

/// Whether its gradient can be told from its result, so that a sum before it may run with it.
bool shows_gradient(const std::string& op) { return op == "relu" || op == "relu6"; }

class Planner {
 public:
  Planner(const Network& net, const std::vector<int>& wanted, bool training, int64_t epoch, const std::vector<int>& given);
  std::vector<Step> steps() &&;

 private:
  Step alone(size_t layer) const;
  std::optional<Step> with_norm(size_t layer) const;
  std::optional<Step> with_conv(size_t layer) const;
  /// Position of the layer that gives an input, if it has the operation and nobody else reads it.
  std::optional<size_t> sole(size_t input, const char* op) const;
  bool is_frozen(size_t layer) const { return training_ && layers_[layer].is_frozen(epoch_); }
  /// Whether a layer runs as in evaluation and no gradient passes it.
  bool is_still(size_t layer) const { return !training_ || fixed_[layer]; }
  /// Position of a batch norm that runs with what follows it, up to `layer`.
  std::optional<size_t> sole_norm(size_t input, size_t layer) const {
    return is_frozen(input) && !is_still(layer) ? std::nullopt : sole(input, "batch_norm");
  }
  /// Whether a layer may be given memory that others hold, too: the caller's, or its own input's.
  bool passes_on(size_t layer) const {
    return layers_[layer].op == "input" || layers_[layer].op == "flatten" || layers_[layer].training_only;
  }
  /// As in evaluation: no statistics of the batch, and no gradient that needs the input.
  void settle(Step& step) const {
    step.settled = true;
    step.in_place = uses_[step.in[0]] == 1 && !kept_.contains(step.in[0]) && !passes_on(step.in[0]);
  }
  void find_last_uses();

  const std::vector<Layer>& layers_;
  bool training_;
  int64_t epoch_;
  std::vector<bool> fixed_;
  std::vector<std::vector<size_t>> in_;
  std::vector<int> uses_;
  std::set<size_t> kept_;
  std::set<size_t> given_;
  std::vector<Step> steps_;
};

Planner::Planner(const Network& net, const std::vector<int>& wanted, bool training, int64_t epoch, const std::vector<int>& given)
    : layers_(net.layers()), training_(training), epoch_(epoch), fixed_(fixed_layers(net, epoch)), in_(layers_.size()), uses_(layers_.size(), 0) {
  std::map<int, size_t> position;
  for (size_t i = 0; i < layers_.size(); ++i) {
    position[layers_[i].id] = i;
    for (const int from : layers_[i].in) in_[i].push_back(position.at(from));
  }
  for (const int layer : wanted) {
    kept_.insert(static_cast<size_t>(layer));
    ++uses_[static_cast<size_t>(layer)];
  }
  for (const int layer : given) {
    given_.insert(static_cast<size_t>(layer));
    kept_.insert(static_cast<size_t>(layer));
  }
  for (size_t i = layers_.size(); i-- > 0;) {
    if (uses_[i] == 0 || given_.contains(i)) continue;
    for (const size_t from : in_[i]) ++uses_[from];
  }
}

std::optional<size_t> Planner::sole(size_t input, const char* op) const {
  if (layers_[input].op != op || uses_[input] != 1 || kept_.contains(input)) return std::nullopt;
  return input;
}

Step Planner::alone(size_t layer) const {
  Step step{.layer = layer, .in = in_[layer]};
  if (step.in.size() != 1) return step;
  const size_t source = step.in[0];
  const std::string& op = layers_[source].op;
  // In training the gradient needs the input of most operations; what a convolution or sum gave is not needed by them.
  step.in_place = uses_[source] == 1 && !kept_.contains(source) && (op == "batch_norm" || op == "conv" || op == "add");
  return step;
}

/// Batch norm, batch norm + activation, batch norm + add, batch norm + add + relu or relu6.
std::optional<Step> Planner::with_norm(size_t layer) const {
  const std::string& op = layers_[layer].op;
  if (op == "batch_norm" && training_ && !is_frozen(layer)) return Step{.layer = layer, .in = in_[layer], .norm = layer};
  Step step{.layer = layer};
  size_t inner = layer;
  if (const auto activation = activation_of(op)) {
    step.activation = *activation;
    inner = in_[layer][0];
    if (sole_norm(inner, layer)) {
      step.norm = inner;
      step.in = in_[inner];
      return step;
    }
    if (!shows_gradient(op) || !sole(inner, "add")) return std::nullopt;
  } else if (op != "add") {
    return std::nullopt;
  }
  if (in_[inner].size() != 2 || in_[inner][0] == in_[inner][1]) return std::nullopt;
  // The later of two batch norms is the one whose neighbour's value is there already.
  for (const size_t side : {size_t{1}, size_t{0}}) {
    const size_t norm = in_[inner][side];
    const size_t other = in_[inner][1 - side];
    if (!sole_norm(norm, layer)) continue;
    step.norm = norm;
    step.adds = true;
    step.in = {in_[norm][0], other};
    return step;
  }
  return std::nullopt;
}

std::optional<Step> Planner::with_conv(size_t layer) const {
  if (layers_[layer].op != "batch_norm") return std::nullopt;
  const std::optional<size_t> conv = sole(in_[layer][0], "conv");
  if (!conv || (training_ && !(is_frozen(layer) && is_frozen(*conv)))) return std::nullopt;
  return Step{.layer = layer, .in = in_[*conv], .norm = layer, .conv = conv};
}

void Planner::find_last_uses() {
  std::set<size_t> seen = kept_;
  for (size_t i = steps_.size(); i-- > 0;) {
    for (const size_t from : steps_[i].in)
      if (seen.insert(from).second) steps_[i].last.push_back(from);
  }
}

std::vector<Step> Planner::steps() && {
  // From the end: a layer takes those before it into its step.
  std::set<size_t> taken;
  for (size_t i = layers_.size(); i-- > 0;) {
    if (uses_[i] == 0 || taken.contains(i) || given_.contains(i)) continue;
    std::optional<Step> step = with_norm(i);
    if (!step) step = with_conv(i);
    if (!step) step = alone(i);
    step->frozen = is_frozen(i);
    step->fixed = training_ && fixed_[i];
    if (step->norm && !step->conv && is_still(i)) settle(*step);
    if (step->norm) taken.insert(*step->norm);
    if (step->conv) taken.insert(*step->conv);
    if (step->adds && shows_gradient(layers_[i].op)) taken.insert(in_[i][0]);
    steps_.insert(steps_.begin(), *step);
  }
  find_last_uses();
  return std::move(steps_);
}

}  // namespace

std::vector<Step> plan(const Network& net, const std::vector<int>& wanted, bool training, int64_t epoch, const std::vector<int>& given) {
  return Planner(net, wanted, training, epoch, given).steps();
}

}  // namespace espalier::engine
