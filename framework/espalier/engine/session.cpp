#include "espalier/engine/session.h"

#include "espalier/data/hash.h"
#include "espalier/engine/checkpoint.h"
#include "espalier/engine/device.h"
#include "espalier/error.h"
#include "espalier/network/analysis.h"
#include "espalier/network/metrics.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

namespace espalier::engine {

namespace {

int allowed_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof(set), &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

/// Sum over the heads of their weight times what `loss_of` gives for (number, name).
template <class LossOf>
at::Tensor weighted(const Network& net, const LossOf& loss_of) {
  at::Tensor sum;
  for (size_t i = 0; i < net.outputs().size(); ++i) {
    const Output& output = net.outputs()[i];
    at::Tensor one = loss_of(i, output.head);
    if (output.weight != 1.0) one = one * output.weight;
    sum = sum.defined() ? sum + one : one;
  }
  return sum;
}

/// The metrics that the search looks at.
std::vector<std::string> aims_of(const Json& objective) {
  std::vector<std::string> aims = objective.value("others", std::vector<std::string>{});
  aims.push_back(objective.value("metric", std::string()));
  return aims;
}

}  // namespace

Machine prepare_machine(const Json& train, Use use) {
  const int asked = train.value("threads", 0);
  // Before cuBLAS is loaded: without a workspace of its own its sums depend on what runs beside them.
  ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
  const std::string asked_device = train.value("device", std::string("auto"));
  const at::Device device = device_named(use == Use::look && asked_device != "cpu" ? "auto" : asked_device);
  const auto arithmetic = use == Use::look ? nearest_arithmetic : arithmetic_of;
  const Machine machine{.threads = asked > 0 ? asked : allowed_processors(),
                        .arithmetic = arithmetic(train.value("precision", std::string("auto")), device.is_cpu(), multiplies_bf16(device)),
                        .device = device};
  at::set_num_threads(machine.threads);
  at::set_num_interop_threads(1);
  at::globalContext().setDeterministicAlgorithms(true, true);
  at::globalContext().setDeterministicFillUninitializedMemory(false);
  at::globalContext().setDeterministicCuDNN(true);
  at::globalContext().setAllowTF32CuDNN(false);  // float32 means all of its digits
  return machine;
}

Session::Session(const Json& trial, const Machine& machine, Channel& channel)
    : aims_(aims_of(trial.value("objective", Json::object()))),
      data_(trial.at("data")),
      arithmetic_(machine.arithmetic),
      net_(Network::from_json(trial.at("network"))),
      weights_(net_, seed_of(trial, "init"), machine.device),
      executor_(net_, weights_, machine.arithmetic),
      batches_(trial.at("data"), net_, machine.device),
      channel_(channel) {}

void Session::adapt() {
  for (const Layer& layer : net_.layers()) {
    if (layer.op == "normalize" && layer.set.value("mean", Json::array()).empty()) adapt_normalization(layer);
    for (const Weight& weight : layer.weights)
      if (weight.init == "whitening") adapt_whitening(layer);
  }
}

void Session::adapt_whitening(const Layer& layer) {
  const at::NoGradGuard no_gradients;
  constexpr size_t kSamples = 5000;
  const std::vector<int64_t>& train = batches_.splits().train;
  // Spread over the split: what lies side by side may be of one class.
  std::vector<int64_t> rows(std::min(train.size(), kSamples));
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = train[i * train.size() / rows.size()];
  const at::Tensor filters = weights_.get(layer.id, "weight");
  const int64_t kernel = filters.size(2);
  const int64_t width = filters.size(1) * kernel * kernel;
  at::Tensor products = at::zeros({width, width}, at::kDouble);
  double patches = 0.0;
  in_parts(rows, channel_, [&](std::span<const int64_t> part) {
    const at::Tensor x = executor_.run(batches_.inputs(part), {layer.in.at(0)}, nullptr)[0].to(at::kFloat);
    const at::Tensor columns = at::im2col(x.contiguous(), {kernel, kernel}, {1, 1}, {0, 0}, {1, 1}).permute({0, 2, 1}).reshape({-1, width});
    products += at::mm(columns.t(), columns).cpu().to(at::kDouble);
    patches += static_cast<double>(columns.size(0));
  });
  const auto [values, vectors] = at::linalg_eigh(products / patches);
  constexpr double kFloor = 5e-4;  // airbench94's: keeps directions that hardly vary from blowing up
  const at::Tensor whitening = (vectors / (values + kFloor).sqrt()).t().flip(0).reshape({width, filters.size(1), kernel, kernel});
  // Largest directions first, and their negatives: what an activation cuts from one passes the other.
  const int64_t half = std::min(width, filters.size(0) / 2);
  filters.narrow(0, 0, half).copy_(whitening.narrow(0, 0, half));
  filters.narrow(0, half, half).copy_(-whitening.narrow(0, 0, half));
}

void Session::adapt_normalization(const Layer& layer) {
  const at::NoGradGuard no_gradients;
  at::Tensor sum;
  at::Tensor squares;
  double count = 0.0;
  in_parts(batches_.splits().train, channel_, [&](std::span<const int64_t> rows) {
    const at::Tensor x = executor_.run(batches_.inputs(rows), {layer.in.at(0)}, nullptr)[0].to(at::kDouble);
    const std::vector<int64_t> others = x.dim() == 4 ? std::vector<int64_t>{0, 2, 3} : std::vector<int64_t>{0};
    const at::Tensor part = x.sum(others);
    const at::Tensor part_squares = x.square().sum(others);
    sum = sum.defined() ? sum + part : part;
    squares = squares.defined() ? squares + part_squares : part_squares;
    count += static_cast<double>(x.numel() / x.size(1));
  });
  if (count == 0.0) return;
  const at::Tensor mean = sum / count;
  const at::Tensor deviation = (squares / count - mean.square()).clamp_min(0.0).sqrt();
  weights_.get(layer.id, "mean").copy_(mean);
  // A channel that never changes stays as it is; its squares tell no smaller share of its mean than this.
  weights_.get(layer.id, "std").copy_(at::where(deviation.gt(mean.abs() * 1e-7), deviation, 1.0));
}

void Session::load(const std::string& file) {
  const TensorFile content = read_tensors(file);
  std::string prefix;
  if (content.state.contains("epochs_done")) prefix = content.state.value("best_epoch", 0) > 0 ? "best/" : "weights/";
  get_weights(content, prefix, weights_, weights_.parameters(), weights_.buffers());
}

void Session::keep_still_values() {
  const auto where = data_.find("features");
  if (where == data_.end()) return;
  const Splits& splits = batches_.splits();
  std::vector<int64_t> rows = splits.train;
  for (const std::vector<int64_t>* more : {&splits.validation, &splits.test}) rows.insert(rows.end(), more->begin(), more->end());
  std::ranges::sort(rows);
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  // Splits of one data set share a file only where they hold the same rows.
  const std::string origin = data_.value("key", data_.at("cache").get<std::string>()) + ";" + sha256_of(Json(rows).dump()) + ";" +
                             name_of(arithmetic_) + ";" + device().str();
  const auto compute = [this](std::span<const int64_t> part, const std::vector<int>& layers) {
    const at::NoGradGuard no_gradients;
    channel_.pulse();
    return executor_.run(batches_.inputs(part), layers, nullptr);
  };
  auto kept = KeptValues::open(*where, net_, weights_, origin, rows, compute,
                               [](const std::string& what) { std::cerr << what << '\n'; });
  if (!kept) return;
  executor_.take(kept->layers());
  batches_.keep(std::make_shared<const KeptValues>(std::move(*kept)), net_);
}

void Session::make_losses(bool adapt) {
  losses_.clear();
  for (const Output& output : net_.outputs())
    losses_.emplace_back(output, batches_.target(output.head, batches_.splits().train), weights_, adapt);
}

std::vector<int> Session::output_layers() const {
  std::vector<int> layers;
  for (const Output& output : net_.outputs()) layers.push_back(output.layer);
  return layers;
}

std::vector<at::Tensor> Session::outputs(const Inputs& inputs) const {
  const std::vector<int> layers = output_layers();
  if (views_.empty()) return executor_.run(inputs, layers, nullptr);
  std::vector<at::Tensor> mean;
  for (const View& view : views_) {
    Inputs seen = inputs;
    for (auto& [name, x] : seen)
      if (x.dim() == 4) x = view_of(x, view);
    const std::vector<at::Tensor> values = executor_.run(seen, layers, nullptr);
    for (size_t i = 0; i < values.size(); ++i) {
      const at::Tensor part = values[i].to(at::kFloat) * view.share;
      if (mean.size() <= i) {
        mean.push_back(part);
      } else {
        mean[i] += part;
      }
    }
  }
  return mean;
}

void Session::average_views(const std::string& name) {
  views_ = views_named(name);
}

at::Tensor Session::loss(const std::vector<at::Tensor>& values, const Targets& targets, const at::Tensor& importance) const {
  return weighted(net_, [&](size_t i, const std::string& head) { return losses_[i](values[i], targets.at(head), importance); });
}

at::Tensor Session::loss_of_each(const std::vector<at::Tensor>& values, const Targets& targets) const {
  const at::NoGradGuard no_gradients;
  return weighted(net_, [&](size_t i, const std::string& head) { return losses_[i].each(values[i], targets.at(head)); });
}

std::string Session::metric_name(const Output& output, const std::string& prefix, const std::string& metric) const {
  return score_name(output.head, net_.outputs().size(), prefix, metric);
}

std::vector<HeadScores> Session::epoch_scores() const {
  std::vector<HeadScores> scores;
  for (const Output& output : net_.outputs()) {
    std::vector<std::string> wanted = output.metrics;
    for (const std::string& aim : aims_) {
      const std::string bare = bare_metric(aim);
      const bool is_missing = std::ranges::find(wanted, bare) == wanted.end();
      if (is_missing && aim == metric_name(output, "val_", bare) && has_metric(output, bare)) wanted.push_back(bare);
    }
    scores.emplace_back(output, weights_, std::move(wanted));
  }
  return scores;
}

std::vector<HeadScores> Session::all_scores() const {
  std::vector<HeadScores> scores;
  for (const Output& output : net_.outputs()) {
    std::vector<std::string> wanted = metrics_of(output);
    for (const std::string& name : output.metrics)
      if (std::ranges::find(wanted, name) == wanted.end()) wanted.push_back(name);
    scores.emplace_back(output, weights_, std::move(wanted));
  }
  return scores;
}

Json Session::score(const std::vector<int64_t>& rows, const std::string& prefix, std::vector<HeadScores>& heads) {
  const at::NoGradGuard no_gradients;
  // Per head the sum of the losses and what it is divided by; read once, as another device would be waited for.
  at::Tensor sums = at::zeros({std::ssize(losses_), 2}, at::TensorOptions(at::kDouble).device(device()));
  in_parts(rows, channel_, [&](std::span<const int64_t> part) {
    const Batch batch = batches_.gather(part);
    const std::vector<at::Tensor> values = outputs(batch.inputs);
    for (size_t i = 0; i < heads.size(); ++i) {
      const at::Tensor& target = batch.targets.at(net_.outputs()[i].head);
      const LossSum loss = losses_[i].sum(values[i], target);
      sums[static_cast<int64_t>(i)].add_(at::stack({loss.sum, loss.count}));
      heads[i].add(values[i], target);
    }
  });
  Json result = Json::object();
  if (rows.empty()) return result;
  const at::Tensor here = sums.cpu();
  double loss = 0.0;
  for (size_t i = 0; i < losses_.size(); ++i) {
    const double* of_head = here.const_data_ptr<double>() + 2 * i;
    if (of_head[1] > 0.0) loss += net_.outputs()[i].weight * of_head[0] / of_head[1];
  }
  result[prefix + "loss"] = loss;
  for (size_t i = 0; i < heads.size(); ++i) {
    const Json metrics = heads[i].metrics();
    for (const auto& [metric, value] : metrics.items())
      result[metric_name(net_.outputs()[i], prefix, metric)] = value;
  }
  return result;
}

Randomness step_randomness(const Json& trial, int64_t step, int64_t epoch) {
  const auto number = static_cast<uint64_t>(step);
  const uint64_t views = seed_of(trial, "augment");
  Randomness randomness(derive_seed(views, number), derive_seed(seed_of(trial, "dropout"), number));
  randomness.epoch = epoch;
  randomness.row_seed = derive_seed(views, "rows");
  return randomness;
}

Random mix_randomness(const Json& trial, int64_t step) {
  return Random(derive_seed(derive_seed(seed_of(trial, "augment"), "mix"), static_cast<uint64_t>(step)));
}

uint64_t seed_of(const Json& trial, const std::string& name) {
  const Json seeds = trial.value("seeds", Json::object());
  const auto found = seeds.find(name);
  if (found == seeds.end()) return 0;
  return found->is_string() ? std::stoull(found->get<std::string>()) : found->get<uint64_t>();
}

}  // namespace espalier::engine
