#include "espalier/engine/trainer.h"

#include "espalier/engine/checkpoint.h"
#include "espalier/engine/pretrained.h"
#include "espalier/engine/schedule.h"
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

/// All that a training carries from step to step beside weights and optimizer.
struct Position {
  int64_t epochs_done = 0;
  int64_t step = 0;        ///< of the epoch that has begun
  double loss_sum = 0.0;   ///< of that epoch's steps
  int64_t waited = 0;      ///< epochs since the objective was bettered by min_delta
  Plateau plateau;
  std::optional<double> reference;
  std::optional<double> best;
  int64_t best_epoch = 0;
  Json best_metrics = Json::object();
  Json last_metrics = Json::object();
  bool finished = false;
};

Json optional_json(const std::optional<double>& value) { return value ? Json(*value) : Json(); }
std::optional<double> optional_number(const Json& value) { return value.is_number() ? std::optional(value.get<double>()) : std::nullopt; }

Json to_json(const Position& p) {
  return {{"epochs_done", p.epochs_done}, {"step", p.step}, {"loss_sum", p.loss_sum}, {"waited", p.waited},
          {"plateau", to_json(p.plateau)}, {"reference", optional_json(p.reference)}, {"best", optional_json(p.best)}, {"best_epoch", p.best_epoch},
          {"best_metrics", p.best_metrics}, {"last_metrics", p.last_metrics}, {"finished", p.finished}};
}

Position position_from(const Json& json) {
  return {.epochs_done = json.at("epochs_done").get<int64_t>(), .step = json.at("step").get<int64_t>(),
          .loss_sum = json.at("loss_sum").get<double>(), .waited = json.at("waited").get<int64_t>(),
          .plateau = plateau_from(json.at("plateau")), .reference = optional_number(json.at("reference")), .best = optional_number(json.at("best")),
          .best_epoch = json.at("best_epoch").get<int64_t>(), .best_metrics = json.at("best_metrics"),
          .last_metrics = json.at("last_metrics"), .finished = json.at("finished").get<bool>()};
}

/// Flat copies of parameters and buffers.
struct Copies {
  at::Tensor parameters;
  at::Tensor buffers;
};

Copies copies_of(const Weights& weights) { return {weights.parameters().clone(), weights.buffers().clone()}; }

void put(const Weights& weights, const Copies& copies) {
  weights.parameters().copy_(copies.parameters);
  weights.buffers().copy_(copies.buffers);
}

/// Moves an average towards the weights. By differences: the average of what stays as it is (frozen weights) stays it, too.
void follow(Copies& average, const Weights& weights, double decay) {
  average.parameters.lerp_(weights.parameters(), 1.0 - decay);
  average.buffers.lerp_(weights.buffers(), 1.0 - decay);
}

/// A number with leading zeros. (LibTorch's headers hide the system's {fmt} behind one without a library.)
std::string padded(int64_t number, size_t width) {
  std::string digits = std::to_string(number);
  return digits.size() < width ? std::string(width - digits.size(), '0') + digits : digits;
}

/// Every so many updates the weights move towards a slow average, and go on from there (arXiv:1907.08610; the decay that
/// grows with the cube of the progress is airbench94's, arXiv:2404.00498).
struct Lookahead {
  int64_t every = 5;
  double decay = 0.774;  ///< share of the average that is kept at the end of the training
};

class Training {
 public:
  Training(const Json& job, const Machine& machine, Channel& channel);
  End run();

 private:
  void resume(const std::string& file);
  bool epoch();
  void step(std::span<const int64_t> order, int64_t index);
  void look_at_losses();
  void follow_average(int64_t step);
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
  Position position_;
  std::optional<Copies> average_;
  Copies best_;
  double average_decay_ = 0.0;
  std::optional<Lookahead> lookahead_;
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
      optimizer_(stepper_.optimizer()) {
  const Json average = settings_.value("average", Json{{"name", "none"}});
  const std::string averaging = average.is_object() ? average.value("name", std::string("none")) : "none";
  if (averaging == "ema") average_decay_ = average.value("decay", 0.999);
  if (averaging == "lookahead") lookahead_ = Lookahead{.every = average.value("every", int64_t{5}), .decay = average.value("decay", 0.774)};
  const std::string read = job.at("attempt").value("read", std::string());
  if (read.empty()) {
    load_pretrained(trial_, session_.weights());
    session_.adapt();
  }
  session_.make_losses(read.empty());
  if (average_decay_ > 0.0 || lookahead_) average_ = copies_of(session_.weights());
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
  if (average_) get_weights(content, "average/", weights, average_->parameters, average_->buffers);
  optimizer_.updates = content.state.at("updates").get<int64_t>();
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
  const std::vector<int64_t> order = stepper_.order(position_.epochs_done);
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
    if (length_.accumulate > 1) loss = loss / static_cast<double>(length_.accumulate);
    loss_of_step.add_(loss.detach());
    loss.backward();
  }
  const double clip = settings_.contains("clip") && settings_["clip"].is_number() ? settings_["clip"].get<double>() : 0.0;
  if (clip > 0.0) weights.gradients().mul_((clip / (gradient_norm(weights.gradients()) + 1e-6)).clamp_max(1.0));
  const double factor = position_.plateau.factor *
                        learning_rate_factor(settings_.value("schedule", Json("constant")), global, length_.steps, length_.steps_per_epoch);
  rate_ = optimizer_.learning_rate() * factor;
  optimizer_.step(factor);
  follow_average(global);
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

void Training::follow_average(int64_t step) {
  if (!average_) return;
  Weights& weights = session_.weights();
  if (lookahead_) {
    const bool last = step + 1 >= length_.steps;
    if (!last && (step + 1) % lookahead_->every != 0) return;
    const double progress = static_cast<double>(step + 1) / static_cast<double>(length_.steps);
    follow(*average_, weights, last ? 1.0 : lookahead_->decay * progress * progress * progress);
    put(weights, *average_);
    return;
  }
  // Early on an average of few values follows them more closely.
  const double seen = static_cast<double>(optimizer_.updates);
  follow(*average_, weights, std::min(average_decay_, (1.0 + seen) / (10.0 + seen)));
}

void Training::finish_epoch(double seconds) {
  Weights& weights = session_.weights();
  const bool scores_average = average_ && !lookahead_;
  const Copies raw = scores_average ? copies_of(weights) : Copies{};
  if (scores_average) put(weights, *average_);
  std::vector<HeadScores> scores = session_.epoch_scores();
  Json metrics = session_.score(session_.batches().splits().validation, "val_", scores);
  metrics["loss"] = position_.loss_sum / static_cast<double>(std::max<int64_t>(position_.step, 1));
  metrics["learning_rate"] = rate_;
  ++position_.epochs_done;
  for (const auto& [name, value] : metrics.items()) {
    if (!std::isfinite(value.get<double>()))
      throw Failure{"nan", "epoch " + std::to_string(position_.epochs_done) + ", " + name, "a lower learning rate may help"};
  }
  position_.step = 0;
  position_.loss_sum = 0.0;
  position_.last_metrics = metrics;
  judge(metrics);
  if (scores_average) put(weights, raw);
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
  if (average_) put_weights(content, "average/", weights, average_->parameters, average_->buffers);
  put_weights(content, "best/", weights, best_.parameters, best_.buffers);
  content.state = to_json(position_);
  content.state["updates"] = optimizer_.updates;
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
