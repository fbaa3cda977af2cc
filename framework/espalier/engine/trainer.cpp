#include "espalier/engine/trainer.h"

#include "espalier/engine/averaging.h"
#include "espalier/engine/checkpoint.h"
#include "espalier/engine/loss_scale.h"
#include "espalier/engine/position.h"
#include "espalier/engine/pretrained.h"
#include "espalier/engine/schedule.h"
#include "espalier/engine/skipping.h"
#include "espalier/engine/stepper.h"
#include "espalier/error.h"
#include "espalier/random.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <limits>

namespace espalier::engine {

namespace {

/// A number with leading zeros. (LibTorch's headers hide the system's {fmt} behind one without a library.)
std::string padded(int64_t number, size_t width) {
  std::string digits = std::to_string(number);
  return digits.size() < width ? std::string(width - digits.size(), '0') + digits : digits;
}

class Training {
 public:
  Training(const Json& job, const Machine& machine, Channel& channel);
  End run();

 private:
  void resume(const std::string& file);
  bool epoch();
  void step(std::span<const int64_t> order, int64_t index);
  void look_at_losses();
  void finish_epoch(double seconds);
  void judge(const Json& metrics);
  void save();
  void report_done();

  const Json& job_;
  const Json& trial_;
  const Json settings_;
  std::filesystem::path folder_;
  Session session_;
  Stepper stepper_;
  const Length& length_;
  Optimizer& optimizer_;
  LossScale scale_;
  Skipping skipping_;
  Position position_;
  std::optional<Averaging> average_;  ///< begun with the first weights
  Copies best_;
  double rate_ = 0.0;
  at::Tensor losses_;      ///< of the epoch's steps, on the device
  int64_t looked_at_ = 0;  ///< steps of the epoch whose loss was read
  std::vector<std::filesystem::path> written_;
};

Training::Training(const Json& job, const Machine& machine, Channel& channel)
    : job_(job),
      trial_(job.at("trial")),
      settings_(trial_.at("train")),
      folder_(job.at("attempt").at("write").get<std::string>()),
      session_(trial_, machine, channel),
      stepper_(trial_, session_),
      length_(stepper_.length()),
      optimizer_(stepper_.optimizer()),
      scale_(machine.arithmetic, session_.device()),
      skipping_(session_.batches().splits().train, length_.skipped, derive_seed(seed_of(trial_, "order"), "skip"), session_.device()) {
  const std::string read = job.at("attempt").value("read", std::string());
  if (read.empty()) {
    load_pretrained(trial_, session_.weights());
    session_.adapt();
  }
  session_.make_losses(read.empty());
  average_.emplace(settings_.value("average", Json("none")), session_.weights());
  if (!read.empty()) resume(read);
  session_.keep_still_values();
}

void Training::resume(const std::string& file) {
  const TensorFile content = read_checkpoint(file, [this](const std::string& what) {
    std::cerr << what << '\n';
    session_.channel().send({{"warning", what}});
  });
  Weights& weights = session_.weights();
  get_weights(content, "weights/", weights, weights.parameters(), weights.buffers());
  get_weights(content, "first/", weights, optimizer_.first, {});
  get_weights(content, "second/", weights, optimizer_.second, {});
  get_weights(content, "average/", weights, average_->copies().parameters, average_->copies().buffers);
  scale_.restore(content);
  skipping_.restore(content);
  position_ = position_from(content.state);
  if (position_.best_epoch == 0) return;
  best_ = copies_of(weights);
  get_weights(content, "best/", weights, best_.parameters, best_.buffers);
}

End Training::run() {
  const Json until = job_.at("attempt").value("until", Json());
  const int64_t last = until.is_number() ? std::min(length_.epochs, static_cast<int64_t>(std::ceil(until.get<double>()))) : length_.epochs;
  while (!position_.finished && position_.epochs_done < last) {
    if (!epoch()) {
      save();
      return End::stopped;
    }
    if (stop_requested() && !position_.finished && position_.epochs_done < last) return End::stopped;
  }
  report_done();
  return End::done;
}

/// False if it was asked to stop before the end of the epoch.
bool Training::epoch() {
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<int64_t> order = skipping_.rest(stepper_.order(position_.epochs_done), position_.epochs_done);
  const int64_t before = position_.epochs_done * length_.steps_per_epoch;
  const int64_t steps = std::min(length_.steps_per_epoch, length_.steps - before);
  losses_ = at::zeros({steps}, at::TensorOptions(at::kDouble).device(session_.device()));
  looked_at_ = position_.step;
  while (position_.step < steps) {
    step(order, position_.step);
    ++position_.step;
    // Another device works on while the next steps are handed to it; to ask for a loss would be to wait.
    if (session_.device().is_cpu()) look_at_losses();
    session_.channel().pulse();
    if (stop_requested() && position_.step < steps) {
      look_at_losses();
      return false;
    }
  }
  look_at_losses();
  finish_epoch(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  return true;
}

void Training::step(std::span<const int64_t> order, int64_t index) {
  const int64_t global = position_.epochs_done * length_.steps_per_epoch + index;
  Randomness randomness = step_randomness(trial_, global, position_.epochs_done);
  randomness.progress = static_cast<double>(global) / static_cast<double>(length_.steps);
  Random mix = mix_randomness(trial_, global);
  Weights& weights = session_.weights();
  weights.clear_gradients();
  at::Tensor loss_of_step = losses_[index];
  for (int64_t part = 0; part < length_.accumulate; ++part) {
    randomness.rows = stepper_.rows(order, index * length_.accumulate + part);
    const Batch batch = session_.batches().gather(randomness.rows);
    const Stepper::Pass pass = stepper_.forward(batch, randomness, mix);
    at::Tensor loss = stepper_.loss(batch, pass);
    if (skipping_.active())
      skipping_.note(pass.mixing ? rows_shown(randomness.rows, *pass.mixing) : std::vector(randomness.rows.begin(), randomness.rows.end()),
                     stepper_.loss_of_each(batch, pass));
    if (length_.accumulate > 1) loss = loss / static_cast<double>(length_.accumulate);
    loss_of_step.add_(loss.detach());
    scale_.scaled(loss).backward();
  }
  scale_.unscale(weights.gradients());
  const double clip = settings_.contains("clip") && settings_["clip"].is_number() ? settings_["clip"].get<double>() : 0.0;
  if (clip > 0.0) weights.gradients().mul_((clip / (gradient_norm(weights.gradients()) + 1e-6)).clamp_max(1.0));
  const double factor = position_.plateau.factor *
                        learning_rate_factor(settings_.value("schedule", Json("constant")), global, length_.steps, length_.steps_per_epoch);
  rate_ = optimizer_.learning_rate() * factor;
  scale_.guard({weights.parameters(), optimizer_.first, optimizer_.second}, [&] { optimizer_.step(global, factor); });
  average_->follow(global, length_.steps);
}

/// Reads what the steps since the last look lost. Throws Failure at the first that is no number.
void Training::look_at_losses() {
  const at::Tensor losses = losses_.cpu();
  for (; looked_at_ < position_.step; ++looked_at_) {
    const double loss = losses.const_data_ptr<double>()[looked_at_];
    if (!std::isfinite(loss))
      throw Failure{"nan", "epoch " + std::to_string(position_.epochs_done + 1) + ", step " + std::to_string(looked_at_ + 1),
                    "the loss is not a finite number: a lower learning rate, a longer warmup or train.clip may help"};
    position_.loss_sum += loss;
  }
}

void Training::finish_epoch(double seconds) {
  Weights& weights = session_.weights();
  const Copies raw = average_->is_scored() ? copies_of(weights) : Copies{};
  if (average_->is_scored()) put(weights, average_->copies());
  std::vector<HeadScores> scores = session_.epoch_scores();
  Json metrics = session_.score(session_.batches().splits().validation, "val_", scores);
  metrics["loss"] = position_.loss_sum / static_cast<double>(std::max<int64_t>(position_.step, 1));
  metrics["learning_rate"] = rate_;
  ++position_.epochs_done;
  skipping_.finish_epoch();
  for (const auto& [name, value] : metrics.items()) {
    if (!std::isfinite(value.get<double>()))
      throw Failure{"nan", "epoch " + std::to_string(position_.epochs_done) + ", " + name, "a lower learning rate may help"};
  }
  position_.step = 0;
  position_.loss_sum = 0.0;
  judge(metrics);
  if (average_->is_scored()) put(weights, raw);
  session_.channel().send({{"epoch", position_.epochs_done}, {"metrics", metrics}, {"seconds", seconds}});
  save();
}

/// Keeps the weights if they are the best so far, and ends the training when patience is over. Weights are those that
/// were scored.
void Training::judge(const Json& metrics) {
  const Json objective = trial_.value("objective", Json::object());
  std::string name = objective.value("metric", std::string("val_loss"));
  bool maximize = objective.value("maximize", false);
  if (session_.batches().splits().validation.empty()) {
    name = "loss";
    maximize = false;
  }
  if (!metrics.contains(name))
    throw Failure{"data", "epoch " + std::to_string(position_.epochs_done) + ", " + name,
                  "it is not defined on this validation split: one class or one value may be all that it holds"};
  const double value = metrics.at(name).get<double>();
  const double sign = maximize ? 1.0 : -1.0;
  const bool last_counts = settings_.value("score", std::string("best")) == "last";
  if (last_counts || !position_.best || sign * value > sign * *position_.best) {
    position_.best = value;
    position_.best_epoch = position_.epochs_done;
    position_.best_metrics = metrics;
    best_ = copies_of(session_.weights());
  }
  if (!position_.reference || sign * value > sign * *position_.reference + length_.min_delta) {
    position_.reference = value;
    position_.waited = 0;
  } else {
    ++position_.waited;
  }
  observe(position_.plateau, settings_.value("schedule", Json("constant")), value, maximize);
  position_.finished = position_.epochs_done >= length_.epochs || (length_.patience > 0 && position_.waited >= length_.patience);
}

void Training::save() {
  const Weights& weights = session_.weights();
  TensorFile content;
  put_weights(content, "weights/", weights, weights.parameters(), weights.buffers());
  put_weights(content, "first/", weights, optimizer_.first, {});
  put_weights(content, "second/", weights, optimizer_.second, {});
  put_weights(content, "average/", weights, average_->copies().parameters, average_->copies().buffers);
  put_weights(content, "best/", weights, best_.parameters, best_.buffers);
  scale_.save(content);
  skipping_.save(content);
  content.state = to_json(position_);
  std::string name = "epoch-" + padded(position_.epochs_done, 4);
  if (position_.step != 0) name += "-step-" + padded(position_.step, 6);
  name += ".ckpt";
  const std::string hash = write_tensors(folder_ / name, content);
  session_.channel().send({{"checkpoint", name}, {"sha256", hash}, {"epochs", position_.epochs_done}});
  // The one before stays: the worker may not have noted the new one when a machine dies.
  written_.push_back(folder_ / name);
  if (written_.size() <= 2) return;
  std::error_code ignored;
  if (written_.front() != job_.at("attempt").value("read", std::string())) std::filesystem::remove(written_.front(), ignored);
  written_.erase(written_.begin());
}

void Training::report_done() {
  const std::filesystem::path file = folder_ / "model.safetensors";
  TensorFile content;
  put_weights(content, "", session_.weights(), best_.parameters, best_.buffers);
  write_tensors(file, content);
  Json done = position_.best_metrics;
  done["best_epoch"] = position_.best_epoch;
  done["epochs"] = position_.epochs_done;
  done["finished"] = position_.finished;
  done["weights"] = file.string();
  session_.channel().send({{"done", done}});
}

}  // namespace

End train(const Json& job, const Machine& machine, Channel& channel) { return Training(job, machine, channel).run(); }

}  // namespace espalier::engine
