#include "espalier/engine/stepper.h"

namespace espalier::engine {

namespace {

int64_t rows_of(Session& session) {
  const std::vector<int64_t>& train = session.batches().splits().train;
  if (train.empty()) throw Failure{"data", "the training split", "it holds no row: look at the pipeline's split and take"};
  return std::ssize(train);
}

}  // namespace

Stepper::Stepper(const Json& trial, Session& session)
    : trial_(trial),
      session_(session),
      length_(training_length(trial.at("train"), rows_of(session))),
      optimizer_(trial.at("train").value("optimizer", Json{{"name", "sgd"}}), session.weights().parameters(), session.weights().gradients(),
                 session.weights().segments(trial.at("train").value("groups", Json::array()), length_.steps_per_epoch)),
      mixer_(trial.at("train").value("mix", Json("none"))) {}

std::vector<int64_t> Stepper::order(int64_t epoch) const {
  return shuffled(session_.batches().splits().train, seed_of(trial_, "order"), epoch);
}

std::span<const int64_t> Stepper::rows(std::span<const int64_t> order, int64_t batch) const {
  return order.subspan(static_cast<size_t>(batch * length_.batch), static_cast<size_t>(length_.batch));
}

Stepper::Pass Stepper::forward(const Batch& batch, Randomness& randomness, Random& mix, LayerClock* clock) const {
  Pass pass{.values = {}, .mixing = mixer_.draw(batch.inputs, mix)};
  randomness.mixing = pass.mixing ? &*pass.mixing : nullptr;
  pass.values = session_.executor().run(batch.inputs, session_.output_layers(), &randomness, clock);
  randomness.mixing = nullptr;
  return pass;
}

at::Tensor Stepper::loss(const Batch& batch, const Pass& pass) const {
  const at::Tensor own = session_.loss(pass.values, batch.targets, batch.importance);
  if (!pass.mixing) return own;
  const at::Tensor importance = batch.importance.defined() ? partners_of(batch.importance, *pass.mixing) : at::Tensor();
  return mixed_loss(own, session_.loss(pass.values, partners_of(batch.targets, *pass.mixing), importance), *pass.mixing);
}

at::Tensor Stepper::loss_of_each(const Batch& batch, const Pass& pass) const {
  const at::Tensor own = session_.loss_of_each(pass.values, batch.targets);
  if (!pass.mixing) return own;
  return mixed_loss(own, session_.loss_of_each(pass.values, partners_of(batch.targets, *pass.mixing)), *pass.mixing);
}

}  // namespace espalier::engine
