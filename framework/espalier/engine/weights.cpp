#include "espalier/engine/weights.h"

#include "espalier/engine/answers.h"
#include "espalier/error.h"
#include "espalier/network/analysis.h"
#include "espalier/random.h"

#include <algorithm>
#include <cmath>

namespace espalier::engine {

namespace {

/// Elements between the starts of two tensors are a multiple of a cache line.
constexpr int64_t kAlignment = 16;

int64_t aligned(int64_t count) { return ceil_div(count, kAlignment) * kAlignment; }

void fill_normal(float* values, int64_t count, double deviation, Random& random) {
  for (int64_t i = 0; i < count; ++i) values[i] = static_cast<float>(deviation * random.normal());
}

void fill_uniform(float* values, int64_t count, double limit, Random& random) {
  for (int64_t i = 0; i < count; ++i) values[i] = static_cast<float>(limit * (2.0 * random.uniform() - 1.0));
}

/// The first filters (out, in, k, k) become the identity of their channel.
void pass_channels_on(float* values, const Shape& shape) {
  const int64_t window = shape.at(2) * shape.at(3);
  for (int64_t channel = 0; channel < std::min(shape[0], shape[1]); ++channel) {
    float* filter = values + channel * shape[1] * window;
    std::fill(filter, filter + shape[1] * window, 0.0F);
    filter[channel * window + (shape[2] / 2) * shape[3] + shape[3] / 2] = 1.0F;
  }
}

/// Along the last dimension the logits of a uniform distribution: how probable it is that an answer lies above each level.
void descend(float* values, const Shape& shape) {
  const int64_t levels = shape.back();
  for (int64_t i = 0; i < elements(shape); ++i) {
    const double below = (static_cast<double>(i % levels) + 0.5) / static_cast<double>(levels);
    values[i] = static_cast<float>(std::log((1.0 - below) / below));
  }
}

void initialise(const Weight& weight, const Json& set, at::Tensor& tensor, uint64_t seed) {
  auto* values = tensor.data_ptr<float>();
  const int64_t count = elements(weight.shape);
  Random random(seed);
  int64_t receptive = 1;
  for (size_t i = 2; i < weight.shape.size(); ++i) receptive *= weight.shape[i];
  const double fan_out = static_cast<double>(weight.shape.empty() ? 1 : weight.shape[0] * receptive);
  const double fan_in = static_cast<double>(weight.shape.size() > 1 ? weight.shape[1] * receptive : 1);
  if (weight.init == "ones") {
    std::fill(values, values + count, 1.0F);
  } else if (weight.init == "zeros") {
    std::fill(values, values + count, 0.0F);
  } else if (weight.init == "constant") {
    std::fill(values, values + count, set.at("initial").get<float>());
  } else if (weight.init == "kaiming") {
    fill_normal(values, count, std::sqrt(2.0 / fan_in), random);
  } else if (weight.init == "kaiming_uniform") {
    fill_uniform(values, count, std::sqrt(1.0 / fan_in), random);
  } else if (weight.init == "dirac") {
    fill_uniform(values, count, std::sqrt(1.0 / fan_in), random);
    pass_channels_on(values, weight.shape);
  } else if (weight.init == "glorot") {
    fill_uniform(values, count, std::sqrt(6.0 / (fan_in + fan_out)), random);
  } else if (weight.init == "descending") {
    descend(values, weight.shape);
  } else if (weight.init == "whitening") {
    fill_uniform(values, count, std::sqrt(1.0 / fan_in), random);  // until the session takes it from the training split
  } else {
    fail("E0429", "no initialisation is called '" + weight.init + "'",
         "kaiming, kaiming_uniform, dirac, glorot, whitening, constant, descending, zeros and ones are there");
  }
}

}  // namespace

Weights::Weights(const Network& net, uint64_t seed, at::Device device) {
  for (const Layer& layer : net.layers()) {
    for (const Weight& weight : layer.weights) {
      const bool trained = weight.role != "buffer" && layer.trained_from != Layer::never;
      add({.key = weight_key(layer.id, weight.name), .shape = weight.shape, .trained = trained, .from = layer.from,
           .role = weight.role, .trained_from = layer.trained_from});
    }
  }
  for (const Output& output : net.outputs()) {
    for (const std::string& name : scale_of(output))
      add({.key = target_key(output, name), .shape = {numbers_of(output)}, .trained = false});
  }
  allocate();
  for (const Layer& layer : net.layers()) {
    for (const Weight& weight : layer.weights) {
      at::Tensor tensor = get(layer.id, weight.name).detach();
      initialise(weight, layer.set, tensor, derive_seed(seed, weight_key(layer.id, weight.name)));
      // Constants that the pipeline gives, such as the mean of a normalization.
      const auto given = layer.set.find(weight.name);
      if (weight.role != "buffer" || given == layer.set.end() || !given->is_array() || given->empty()) continue;
      for (size_t i = 0; i < given->size(); ++i) tensor.data_ptr<float>()[i] = (*given)[i].get<float>();
    }
  }
  for (const Entry& entry : entries_) {
    if (entry.key.starts_with("target.") && (entry.key.ends_with(".std") || entry.key.ends_with(".high"))) get(entry.key).fill_(1.0);
  }
  if (device.is_cpu()) return;
  for (at::Tensor* flat : {&parameters_, &gradients_, &buffers_}) *flat = flat->to(device);
  divide();
}

void Weights::add(Entry entry) {
  int64_t& count = entry.trained ? parameter_count_ : buffer_count_;
  entry.offset = count;
  count += aligned(elements(entry.shape));
  entries_.push_back(std::move(entry));
}

void Weights::allocate() {
  parameters_ = at::zeros({parameter_count_});
  gradients_ = at::zeros({parameter_count_});
  buffers_ = at::zeros({buffer_count_});
  divide();
}

void Weights::divide() {
  for (const Entry& entry : entries_) {
    const int64_t count = elements(entry.shape);
    const at::Tensor& flat = entry.trained ? parameters_ : buffers_;
    at::Tensor view = flat.narrow(0, entry.offset, count).view(entry.shape).detach();
    if (entry.trained) {
      view.set_requires_grad(true);
      view.mutable_grad() = gradients_.narrow(0, entry.offset, count).view(entry.shape);
    }
    views_.insert_or_assign(entry.key, view);
  }
}

at::Tensor Weights::get(int layer, const std::string& name) const { return get(weight_key(layer, name)); }

at::Tensor Weights::get(const std::string& key) const {
  const auto found = views_.find(key);
  return found == views_.end() ? at::Tensor() : found->second;
}

std::vector<Segment> Weights::segments(const Json& groups, int64_t steps_per_epoch) const {
  std::vector<Segment> segments;
  for (const Entry& entry : entries_) {
    if (!entry.trained) continue;
    const int64_t count = elements(entry.shape);
    Segment segment{.begin = entry.offset, .end = entry.offset + aligned(count),
                    .decays = entry.role == "filter" || entry.role == "matrix",
                    .first_update = entry.trained_from * steps_per_epoch};
    if (entry.role == "filter") {
      segment.rows = entry.shape.at(0);
      segment.count = count;
    }
    for (const Json& group : groups) {
      if (!in_group(entry.from, entry.role, group)) continue;
      const Json scale = group.value("scale", Json::object());
      segment.learning_rate *= scale.value("learning_rate", 1.0);
      segment.weight_decay *= scale.value("weight_decay", 1.0);
      if (group.contains("optimizer") && !group["optimizer"].is_null()) segment.optimizer = group["optimizer"];
    }
    segments.push_back(std::move(segment));
  }
  return segments;
}

std::vector<float> copy_of(const at::Tensor& flat) {
  const at::Tensor here = flat.cpu();
  const auto* values = here.const_data_ptr<float>();
  return {values, values + here.numel()};
}

}  // namespace espalier::engine
