#include "espalier/engine/averaging.h"

#include <algorithm>
#include <string>

namespace espalier::engine {

Copies copies_of(const Weights& weights) { return {weights.parameters().clone(), weights.buffers().clone()}; }

void put(const Weights& weights, const Copies& copies) {
  weights.parameters().copy_(copies.parameters);
  weights.buffers().copy_(copies.buffers);
}

Averaging::Averaging(const Json& settings, const Weights& weights) : weights_(weights) {
  const std::string name = settings.is_object() ? settings.value("name", std::string("none")) : "none";
  if (name == "none") return;
  if (name == "lookahead") every_ = settings.value("every", int64_t{5});
  decay_ = settings.value("decay", name == "lookahead" ? 0.774 : 0.999);
  copies_ = copies_of(weights);
}

void Averaging::follow(int64_t step, int64_t steps) {
  if (!is_kept()) return;
  const auto done = static_cast<double>(step + 1);
  // Early on an average of few values follows them more closely.
  if (every_ == 0) return move(std::min(decay_, (1.0 + done) / (10.0 + done)));
  const bool is_last = step + 1 >= steps;
  if (!is_last && (step + 1) % every_ != 0) return;
  const double progress = done / static_cast<double>(steps);
  move(is_last ? 1.0 : decay_ * progress * progress * progress);
  put(weights_, copies_);
}

/// Moves the average towards the weights. By differences: the average of what stays as it is (frozen weights) stays it, too.
void Averaging::move(double decay) {
  copies_.parameters.lerp_(weights_.parameters(), 1.0 - decay);
  copies_.buffers.lerp_(weights_.buffers(), 1.0 - decay);
}

}  // namespace espalier::engine
