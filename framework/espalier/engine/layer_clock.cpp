#include "espalier/engine/layer_clock.h"

#include "espalier/engine/device.h"

#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/function_hook.h>

#include <memory>

namespace espalier::engine {

/// Stands before the gradient of a layer.
struct Mark : torch::autograd::FunctionPreHook {
  Mark(LayerClock& on, size_t of) : clock(on), layer(of) {}
  torch::autograd::variable_list operator()(const torch::autograd::variable_list& gradients) override {
    clock.reached(layer);
    return gradients;
  }
  LayerClock& clock;
  size_t layer;
};

LayerClock::Time LayerClock::now() const {
  wait_for(device_);
  return std::chrono::steady_clock::now();
}

void LayerClock::forward_begins() { since_ = now(); }

void LayerClock::forward_ends(const Step& step, const at::Tensor& value) {
  forward_[step.layer] += std::chrono::duration<double>(now() - since_).count();
  if (value.grad_fn()) value.grad_fn()->add_pre_hook(std::make_unique<Mark>(*this, step.layer));
}

void LayerClock::backward_begins() {
  current_.reset();
  since_ = now();
}

void LayerClock::backward_ends() { reached(std::nullopt); }

void LayerClock::reached(std::optional<size_t> layer) {
  const Time here = now();
  if (current_) backward_[*current_] += std::chrono::duration<double>(here - since_).count();
  since_ = here;
  current_ = layer;
}

}  // namespace espalier::engine
