#include "espalier/engine/jobs.h"

#include "espalier/error.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace espalier::engine {

namespace {

constexpr int64_t kSamples = 4;
constexpr int64_t kSteps = 3;        ///< within which every parameter moves
constexpr int64_t kLearning = 40;    ///< steps in which a head's loss falls
constexpr uint64_t kSeed = 7;

/// A network with all that a step on it needs.
struct Subject {
  explicit Subject(const Json& document) : net(Network::from_json(document)), weights(net, kSeed), executor(net, weights) {}
  Network net;
  Weights weights;
  Executor executor;
};

/// The same network without what is left to chance in training.
Json quiet(Json document) {
  for (Json& layer : document.at("layers"))
    if (layer.contains("set") && layer["set"].contains("rate")) layer["set"]["rate"] = 0.0;
  return document;
}

/// Random samples of every input; channels and samples differ in their mean, so that there is something to learn.
Inputs samples_of(const Network& net, int64_t count) {
  Inputs inputs;
  Random random(kSeed);
  for (const Layer& layer : net.layers()) {
    if (layer.op != "input") continue;
    std::vector<int64_t> sizes = {count};
    sizes.insert(sizes.end(), layer.shape.begin(), layer.shape.end());
    at::Tensor x = at::empty(sizes);
    const bool bytes = layer.set.at("type") == "uint8";
    const int64_t plane = layer.shape.size() == 3 ? layer.shape[1] * layer.shape[2] : 1;
    auto* values = x.data_ptr<float>();
    for (int64_t i = 0; i < x.numel() / plane; ++i) {
      const double level = random.uniform();
      for (int64_t k = 0; k < plane; ++k)
        *values++ = static_cast<float>(bytes ? std::floor(255.0 * (0.6 * level + 0.4 * random.uniform())) : random.normal());
    }
    inputs[layer.set.at("name").get<std::string>()] = x.dim() == 4 ? x.contiguous(at::MemoryFormat::ChannelsLast) : x;
  }
  return inputs;
}

/// What the heads give, or, without heads, what nothing reads.
std::vector<int> ends_of(const Network& net) {
  std::vector<int> ends;
  std::set<int> read;
  for (const Output& output : net.outputs()) ends.push_back(output.layer);
  if (!ends.empty()) return ends;
  for (const Layer& layer : net.layers()) read.insert(layer.in.begin(), layer.in.end());
  for (const Layer& layer : net.layers())
    if (!read.contains(layer.id)) ends.push_back(layer.id);
  return ends;
}

/// A sum of everything with random factors: unlike a plain mean, no normalization makes its gradient vanish.
at::Tensor projected(const std::vector<at::Tensor>& values) {
  Random random(kSeed);
  at::Tensor sum;
  for (const at::Tensor& value : values) {
    at::Tensor factors = at::empty({value.numel()});
    for (int64_t i = 0; i < factors.numel(); ++i) factors.data_ptr<float>()[i] = static_cast<float>(random.normal());
    const at::Tensor part = (value.to(at::kFloat).flatten() * factors).sum();
    sum = sum.defined() ? sum + part : part;
  }
  return sum;
}

/// One step of training; false if nothing of the network is trained.
bool step(Subject& subject, const Inputs& inputs, Optimizer& optimizer, uint64_t number) {
  Randomness randomness(derive_seed(kSeed, number), derive_seed(kSeed + 1, number));
  const at::Tensor loss = projected(subject.executor.run(inputs, ends_of(subject.net), &randomness));
  subject.weights.clear_gradients();
  if (!loss.requires_grad()) return false;
  loss.backward();
  optimizer.step(static_cast<int64_t>(number), 1.0);
  return true;
}

Optimizer optimizer_for(const Weights& weights, const Json& settings) {
  return {settings, weights.parameters(), weights.gradients(), weights.segments()};
}

/// Shapes of the engine are those of the document, for one sample and for several.
std::string why_other_shapes(Subject& subject) {
  const at::NoGradGuard no_gradients;
  std::vector<int> every;
  for (const Layer& layer : subject.net.layers()) every.push_back(layer.id);
  for (const int64_t count : {int64_t{1}, kSamples}) {
    const std::vector<at::Tensor> values = subject.executor.run(samples_of(subject.net, count), every, nullptr);
    for (size_t i = 0; i < values.size(); ++i) {
      const Shape shape(values[i].sizes().begin() + 1, values[i].sizes().end());
      const Layer& layer = subject.net.layers()[i];
      if (shape != layer.shape) return shown(layer) + " gives " + to_string(shape) + ", its document says " + to_string(layer.shape);
      if (!values[i].isfinite().all().item<bool>()) return shown(layer) + " gives what is not finite";
    }
  }
  return "";
}

bool equal(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const at::Tensor& x, const at::Tensor& y) { return x.equal(y); });
}

/// Evaluating twice gives the same and leaves the weights alone.
std::string why_not_steady(Subject& subject, const Inputs& inputs) {
  const at::NoGradGuard no_gradients;
  const std::vector<float> parameters = copy_of(subject.weights.parameters());
  const std::vector<float> buffers = copy_of(subject.weights.buffers());
  const std::vector<at::Tensor> first = subject.executor.run(inputs, ends_of(subject.net), nullptr);
  const std::vector<at::Tensor> second = subject.executor.run(inputs, ends_of(subject.net), nullptr);
  if (!equal(first, second)) return "evaluating it twice gives two results";
  if (parameters != copy_of(subject.weights.parameters()) || buffers != copy_of(subject.weights.buffers()))
    return "evaluating it changes its weights";
  return "";
}

/// The same seed gives the same bits, also after the network was written and read.
std::string why_not_repeatable(const Json& document, const Inputs& inputs) {
  Subject first(document);
  Subject second(Json::parse(first.net.to_json().dump()));
  const Json sgd = {{"name", "sgd"}, {"learning_rate", 1e-3}};
  Optimizer optimizers[] = {optimizer_for(first.weights, sgd), optimizer_for(second.weights, sgd)};
  step(first, inputs, optimizers[0], 0);
  step(second, inputs, optimizers[1], 0);
  const bool same = copy_of(first.weights.parameters()) == copy_of(second.weights.parameters()) &&
                    copy_of(first.weights.buffers()) == copy_of(second.weights.buffers());
  return same ? "" : "training it twice from one seed, once after it was written and read, gives two results";
}

/// Every trained tensor has a finite gradient, and one that is not zero within a few steps.
std::string why_not_trained(const Json& document, const Inputs& inputs) {
  Subject subject(quiet(document));
  Optimizer optimizer = optimizer_for(subject.weights, {{"name", "sgd"}, {"learning_rate", 1e-4}, {"momentum", 0.0}});
  std::set<std::string> still;
  for (const Entry& entry : subject.weights.entries())
    if (entry.trained) still.insert(entry.key);
  for (int64_t number = 0; number < kSteps && !still.empty(); ++number) {
    if (!step(subject, inputs, optimizer, static_cast<uint64_t>(number))) break;
    for (const Layer& layer : subject.net.layers())
      for (const Weight& weight : layer.weights) {
        if (weight.role == "buffer") continue;
        const at::Tensor gradient = subject.weights.get(layer.id, weight.name).grad();
        if (!gradient.isfinite().all().item<bool>()) return "the gradient of '" + weight.name + "' of " + shown(layer) + " is not finite";
        if (gradient.ne(0.0).any().item<bool>()) still.erase(weight_key(layer.id, weight.name));
      }
  }
  for (const Layer& layer : subject.net.layers())
    for (const Weight& weight : layer.weights)
      if (still.contains(weight_key(layer.id, weight.name)))
        return "'" + weight.name + "' of " + shown(layer) + " never moves: its gradient is zero";
  return "";
}

/// Made targets of a head for a few samples.
at::Tensor targets_of(const Network& net, const Output& output, int64_t count) {
  const Answer answer = answer_of(output);
  const int64_t width = elements(net.layers().at(static_cast<size_t>(output.layer)).shape);
  Random random(kSeed + 2);
  if (answer == Answer::classes || answer == Answer::yes_or_no) {
    at::Tensor labels = at::empty({count}, at::kLong);
    for (int64_t i = 0; i < count; ++i) labels.data_ptr<int64_t>()[i] = i % (answer == Answer::classes ? width : 2);
    return labels;
  }
  at::Tensor numbers = at::empty({count, answer == Answer::number ? numbers_of(output) : width});
  for (int64_t i = 0; i < numbers.numel(); ++i)
    numbers.data_ptr<float>()[i] = static_cast<float>(answer == Answer::labels ? i % 2 : 100.0 + 10.0 * random.normal());
  return numbers;
}

/// The loss of every head falls when it is trained on a few samples.
std::string why_not_learned(const Json& document) {
  if (document.at("outputs").empty()) return "";
  Subject subject(quiet(document));
  constexpr int64_t kFew = 12;
  const Inputs inputs = samples_of(subject.net, kFew);
  for (size_t i = 0; i < subject.net.outputs().size(); ++i) {
    const Output& output = subject.net.outputs()[i];
    const at::Tensor targets = targets_of(subject.net, output, kFew);
    const HeadLoss loss(output, targets, subject.weights, true);
    Optimizer optimizer = optimizer_for(subject.weights, {{"name", "adam"}, {"learning_rate", 0.03}});
    double first = 0.0, last = 0.0;
    for (int64_t number = 0; number <= kLearning; ++number) {
      Randomness randomness(kSeed, kSeed);
      const at::Tensor value = loss(subject.executor.run(inputs, {output.layer}, &randomness)[0], targets);
      last = value.item<double>();
      if (!std::isfinite(last)) return "the loss of '" + output.head + "' is not finite";
      if (number == 0) first = last;
      subject.weights.clear_gradients();
      value.backward();
      optimizer.step(number, 1.0);
    }
    if (last >= first) return "the loss of '" + output.head + "' does not fall: " + std::to_string(first) + ", then " + std::to_string(last);
  }
  return "";
}

/// The first thing wrong with a network, or "".
std::string why_wrong(const Json& document) {
  Subject subject(document);
  if (const std::string why = why_other_shapes(subject); !why.empty()) return why;
  const Inputs inputs = samples_of(subject.net, kSamples);
  if (const std::string why = why_not_steady(subject, inputs); !why.empty()) return why;
  if (const std::string why = why_not_repeatable(document, inputs); !why.empty()) return why;
  if (const std::string why = why_not_trained(document, inputs); !why.empty()) return why;
  return why_not_learned(document);
}

}  // namespace

void check(const Json& job, Channel& channel) {
  Json wrong = Json::array();
  const Json& networks = job.at("trial").at("networks");
  for (const Json& network : networks) {
    std::string why;
    try {
      why = why_wrong(network.at("network"));
    } catch (const Error& error) {
      why = error.problems().front().message;
    } catch (const c10::Error& error) {
      why = error.what_without_backtrace();
    }
    if (!why.empty()) wrong.push_back(network.at("name").get<std::string>() + ": " + why);
    channel.pulse();
  }
  channel.send({{"done", {{"networks", networks.size()}, {"wrong", wrong}}}});
}

}  // namespace espalier::engine
