#include "espalier/engine/loss_scale.h"

namespace espalier::engine {

namespace {

constexpr double kFirst = 65536.0;
constexpr double kStepsBeforeGrowth = 2000.0;
constexpr const char* kFactor = "scale/factor";
constexpr const char* kSteps = "scale/steps";

}  // namespace

LossScale::LossScale(at::ScalarType arithmetic, at::Device device) {
  if (arithmetic != at::kHalf) return;
  factor_ = at::full({1}, kFirst, at::TensorOptions(at::kFloat).device(device));
  steps_ = at::zeros_like(factor_);
}

void LossScale::unscale(at::Tensor gradients) {
  if (!active()) return;
  finite_ = gradients.isfinite().all();
  gradients.div_(factor_);
}

void LossScale::guard(const std::vector<at::Tensor>& state, const std::function<void()>& update) {
  if (!active()) return update();
  std::vector<at::Tensor> before;
  for (const at::Tensor& x : state) before.push_back(x.defined() ? x.clone() : x);
  update();
  for (size_t i = 0; i < state.size(); ++i)
    if (before[i].defined()) state[i].copy_(at::where(finite_, state[i], before[i]));
  steps_.copy_(at::where(finite_, steps_ + 1.0, 0.0));
  const at::Tensor grows = steps_.ge(kStepsBeforeGrowth);
  factor_.mul_(at::where(finite_, at::where(grows, 2.0, 1.0), 0.5));
  steps_.masked_fill_(grows, 0.0);
}

void LossScale::save(TensorFile& file) const {
  if (!active()) return;
  put_values(file, kFactor, factor_);
  put_values(file, kSteps, steps_);
}

void LossScale::restore(const TensorFile& file) {
  if (!active()) return;
  get_values(file, kFactor, factor_);
  get_values(file, kSteps, steps_);
}

}  // namespace espalier::engine
