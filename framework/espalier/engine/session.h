#pragma once

#include "espalier/engine/batches.h"
#include "espalier/engine/executor.h"
#include "espalier/engine/losses.h"
#include "espalier/engine/messages.h"
#include "espalier/engine/scores.h"
#include "espalier/engine/views.h"
#include "espalier/engine/weights.h"
#include "espalier/json.h"
#include "espalier/network/analysis.h"

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace espalier::engine {

/// A job's cause of failure, as the worker knows them: nan, data, memory or plugin.
struct Failure {
  std::string cause;
  std::string where;
  std::string hint;
};

/// Threads, precision and device that a trial asks for and this machine has.
struct Machine {
  int threads = 1;
  at::ScalarType arithmetic = at::kFloat;
  at::Device device = at::kCPU;
};

/// What a job wants of the machine.
enum class Use {
  train,  ///< as the settings of `train` ask
  look,   ///< at what was trained, on another machine, too: any device unless it is the processor's, float32 where the precision is not there
};

/// Sets the number of threads and deterministic algorithms for the whole process: called once, before any tensor. Throws E0421
/// and E0426 for what is not there.
Machine prepare_machine(const Json& train, Use use);

/// Everything that a job on data works with.
class Session {
 public:
  /// Throws Error (E2xxx: data).
  Session(const Json& trial, const Machine& machine, Channel& channel);

  /// Takes statistics from the training split where nothing was read from a file: normalizations, then targets.
  void adapt();
  /// Reads weights from a file that `train` wrote (model or checkpoint: the best ones).
  void load(const std::string& file);
  /// Lets the values at the end of a frozen part be computed once and kept beside the cache, as the trial's data say; called
  /// when the weights are there.
  void keep_still_values();
  /// Losses of all heads; `adapt` also stores the scales of numbers.
  void make_losses(bool adapt);
  /// Weighted sum of the losses; `values` are the output layers' in order. `importance` (B) may be undefined.
  at::Tensor loss(const std::vector<at::Tensor>& values, const Targets& targets, const at::Tensor& importance = {}) const;
  /// The weighted sum of each sample's losses (B), without a gradient.
  at::Tensor loss_of_each(const std::vector<at::Tensor>& values, const Targets& targets) const;
  std::vector<int> output_layers() const;
  /// Values of the output layers in evaluation, averaged over the views that were asked for.
  std::vector<at::Tensor> outputs(const Inputs& inputs) const;
  /// From now on scores and predictions are averaged over views of each picture: none, mirror or mirror_shift.
  void average_views(const std::string& name);

  /// What each epoch is scored by: the heads' own metrics and the objectives'.
  std::vector<HeadScores> epoch_scores() const;
  /// What an evaluation is scored by: all that the heads' answers have.
  std::vector<HeadScores> all_scores() const;
  /// Scores of rows in evaluation mode: {"loss", "accuracy", ...} with `prefix` before each name ("val_"), and the head's
  /// name before that where there are several. `heads` keep the answers.
  Json score(const std::vector<int64_t>& rows, const std::string& prefix, std::vector<HeadScores>& heads);

  const Network& net() const { return net_; }
  Weights& weights() { return weights_; }
  at::Device device() const { return weights_.parameters().device(); }
  const Executor& executor() const { return executor_; }
  const Batches& batches() const { return batches_; }
  Channel& channel() { return channel_; }
  /// "label.val_accuracy", or "val_accuracy" where there is one head.
  std::string metric_name(const Output& output, const std::string& prefix, const std::string& metric) const;

 private:
  void adapt_normalization(const Layer& layer);
  void adapt_whitening(const Layer& layer);

  const std::vector<std::string> aims_;
  const Json data_;
  const at::ScalarType arithmetic_;
  Network net_;
  Weights weights_;
  Executor executor_;
  Batches batches_;
  Channel& channel_;
  std::vector<HeadLoss> losses_;
  std::vector<View> views_;
};

/// Calls `work` with consecutive parts of rows, as many as are evaluated at a time, and tells the worker after each.
template <class Work>
void in_parts(const std::vector<int64_t>& rows, Channel& channel, const Work& work) {
  for (size_t begin = 0; begin < rows.size(); begin += kEvaluationBatch) {
    work(std::span(rows).subspan(begin, std::min<size_t>(kEvaluationBatch, rows.size() - begin)));
    channel.pulse();
  }
}

/// What a step of a training draws from; `step` counts from the training's first, `epoch` from 0.
Randomness step_randomness(const Json& trial, int64_t step, int64_t epoch);
/// Draws how the step's batches are mixed.
Random mix_randomness(const Json& trial, int64_t step);

/// Seeds are decimal strings: JSON numbers of 64 bits do not survive everywhere. Absent: 0.
uint64_t seed_of(const Json& trial, const std::string& name);

}  // namespace espalier::engine
