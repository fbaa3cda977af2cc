#include "espalier/engine/stepper.h"

#include <algorithm>
#include <cmath>

namespace espalier::engine {

namespace {

Length length_of(const Json& train, int64_t rows) {
  Length length;
  length.batch = std::min(train.value("batch", int64_t{256}), rows);
  length.accumulate = std::max<int64_t>(train.value("accumulate", int64_t{1}), 1);
  // A last batch that is not full is left out, unless it is the only one.
  length.steps_per_epoch = std::max<int64_t>(rows / length.batch / length.accumulate, 1);
  length.accumulate = std::min(length.accumulate, rows / length.batch);
  const Json& epochs = train.at("epochs");
  double count = 1.0;
  if (epochs.is_number()) {
    count = epochs.get<double>();
  } else if (epochs.contains("count")) {
    count = epochs["count"].get<double>();
  } else {
    count = epochs.at("max").get<double>();
    length.patience = epochs.value("patience", int64_t{0});
    length.min_delta = epochs.value("min_delta", 0.0);
  }
  length.steps = std::max<int64_t>(std::llround(count * static_cast<double>(length.steps_per_epoch)), 1);
  length.epochs = ceil_div(length.steps, length.steps_per_epoch);
  return length;
}

int64_t rows_of(Session& session) {
  const std::vector<int64_t>& train = session.batches().splits().train;
  if (train.empty()) throw Failure{"data", "the training split", "it holds no row: look at the pipeline's split and take"};
  return std::ssize(train);
}

}  // namespace

Stepper::Stepper(const Json& trial, Session& session)
    : trial_(trial),
      session_(session),
      length_(length_of(trial.at("train"), rows_of(session))),
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

}  // namespace espalier::engine
