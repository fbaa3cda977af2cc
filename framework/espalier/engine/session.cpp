#include "espalier/engine/session.h"

#include "espalier/engine/checkpoint.h"
#include "espalier/error.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <sched.h>

#include <algorithm>

namespace espalier::engine {

namespace {

constexpr int64_t kEvaluationBatch = 500;

int allowed_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof(set), &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

/// Calls `use` with consecutive parts of rows.
template <class Use>
void in_parts(const std::vector<int64_t>& rows, Channel& channel, const Use& use) {
  for (size_t begin = 0; begin < rows.size(); begin += kEvaluationBatch) {
    use(std::span(rows).subspan(begin, std::min<size_t>(kEvaluationBatch, rows.size() - begin)));
    channel.pulse();
  }
}

bool multiplies_bf16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

}  // namespace

bool uses_bf16(const std::string& precision, bool processor_has_it) {
  constexpr const char* hint = "auto takes what the machine has; float32 works everywhere";
  if (precision == "fp16") fail("E0421", "precision is fp16, which needs a GPU", hint);
  if (precision == "bf16" && !processor_has_it) fail("E0421", "precision is bf16, which this processor does not have (avx512_bf16)", hint);
  return precision != "float32" && processor_has_it;
}

Machine prepare_machine(const Json& train) {
  const int asked = train.value("threads", 0);
  const Machine machine{.threads = asked > 0 ? asked : allowed_processors(),
                        .bf16 = uses_bf16(train.value("precision", std::string("auto")), multiplies_bf16())};
  at::set_num_threads(machine.threads);
  at::set_num_interop_threads(1);
  at::globalContext().setDeterministicAlgorithms(true, true);
  at::globalContext().setDeterministicFillUninitializedMemory(false);
  return machine;
}

Session::Session(const Json& trial, const Machine& machine, Channel& channel)
    : net_(Network::from_json(trial.at("network"))),
      weights_(net_, seed_of(trial, "init")),
      executor_(net_, weights_, machine.bf16),
      batches_(trial.at("data"), net_),
      channel_(channel) {}

void Session::adapt() {
  for (const Layer& layer : net_.layers())
    if (layer.op == "normalize" && layer.set.value("mean", Json::array()).empty()) adapt_normalization(layer);
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
  // A channel that never changes stays as it is.
  weights_.get(layer.id, "std").copy_(at::where(deviation.gt(1e-6), deviation, 1.0));
}

void Session::load(const std::string& file) {
  const TensorFile content = read_tensors(file);
  std::string prefix;
  if (content.state.contains("epochs_done")) prefix = content.state.value("best_epoch", 0) > 0 ? "best/" : "weights/";
  get_weights(content, prefix, weights_, weights_.parameters(), weights_.buffers());
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

at::Tensor Session::loss(const std::vector<at::Tensor>& values, const Targets& targets) const {
  at::Tensor sum;
  for (size_t i = 0; i < losses_.size(); ++i) {
    const Output& output = net_.outputs()[i];
    at::Tensor one = losses_[i](values[i], targets.at(output.head));
    if (output.weight != 1.0) one = one * output.weight;
    sum = sum.defined() ? sum + one : one;
  }
  return sum;
}

std::string Session::metric_name(const Output& output, const std::string& prefix, const std::string& metric) const {
  return net_.outputs().size() == 1 ? prefix + metric : output.head + "." + prefix + metric;
}

Json Session::score(const std::vector<int64_t>& rows, const std::string& prefix, std::vector<HeadScores>* heads) {
  const at::NoGradGuard no_gradients;
  std::vector<HeadScores> own;
  std::vector<HeadScores>& scores = heads != nullptr ? *heads : own;
  if (scores.empty())
    for (const Output& output : net_.outputs()) scores.emplace_back(output, weights_);
  double loss_sum = 0.0;
  in_parts(rows, channel_, [&](std::span<const int64_t> part) {
    const Batch batch = batches_.gather(part);
    const std::vector<at::Tensor> values = executor_.run(batch.inputs, output_layers(), nullptr);
    loss_sum += loss(values, batch.targets).item<double>() * static_cast<double>(part.size());
    for (size_t i = 0; i < scores.size(); ++i) scores[i].add(values[i], batch.targets.at(net_.outputs()[i].head));
  });
  Json result = Json::object();
  if (rows.empty()) return result;
  result[prefix + "loss"] = loss_sum / static_cast<double>(rows.size());
  for (size_t i = 0; i < scores.size(); ++i) {
    const Json metrics = scores[i].metrics();
    for (const auto& [metric, value] : metrics.items())
      result[metric_name(net_.outputs()[i], prefix, metric)] = value;
  }
  return result;
}

uint64_t seed_of(const Json& trial, const std::string& name) {
  const Json seeds = trial.value("seeds", Json::object());
  const auto found = seeds.find(name);
  if (found == seeds.end()) return 0;
  return found->is_string() ? std::stoull(found->get<std::string>()) : found->get<uint64_t>();
}

}  // namespace espalier::engine
