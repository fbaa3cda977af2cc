#include "espalier/engine/weights.h"

#include "espalier/error.h"
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

void initialise(const Weight& weight, at::Tensor& tensor, uint64_t seed) {
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
  } else if (weight.init == "kaiming") {
    fill_normal(values, count, std::sqrt(2.0 / fan_in), random);
  } else if (weight.init == "glorot") {
    fill_uniform(values, count, std::sqrt(6.0 / (fan_in + fan_out)), random);
  } else {
    fail("E0412", "no initialisation is called '" + weight.init + "'", "kaiming, glorot, zeros and ones are there");
  }
}

std::string key_of(int layer, const std::string& name) { return std::to_string(layer) + "." + name; }

}  // namespace

Weights::Weights(const Network& net, uint64_t seed) {
  for (const Layer& layer : net.layers()) {
    for (const Weight& weight : layer.weights) {
      const bool trained = weight.role != "buffer";
      const bool decays = weight.role == "filter" || weight.role == "matrix";
      add(key_of(layer.id, weight.name), weight.shape, trained, decays);
    }
  }
  for (const Output& output : net.outputs()) {
    const Shape& shape = net.layers().at(static_cast<size_t>(output.layer)).shape;
    const std::string kind = output.decode.value("kind", std::string());
    if (kind != "number" && kind != "numbers") continue;
    add("target." + output.head + ".mean", shape, false, false);
    add("target." + output.head + ".std", shape, false, false);
  }
  allocate();
  for (const Layer& layer : net.layers()) {
    for (const Weight& weight : layer.weights) {
      at::Tensor tensor = get(layer.id, weight.name).detach();
      initialise(weight, tensor, derive_seed(seed, key_of(layer.id, weight.name)));
      // Constants that the pipeline gives, such as the mean of a normalization.
      const auto given = layer.set.find(weight.name);
      if (weight.role != "buffer" || given == layer.set.end() || !given->is_array() || given->empty()) continue;
      for (size_t i = 0; i < given->size(); ++i) tensor.data_ptr<float>()[i] = (*given)[i].get<float>();
    }
  }
  for (const Entry& entry : entries_) {
    if (entry.key.starts_with("target.") && entry.key.ends_with(".std")) get(entry.key).fill_(1.0);
  }
}

void Weights::add(const std::string& key, const Shape& shape, bool trained, bool decays) {
  int64_t& count = trained ? parameter_count_ : buffer_count_;
  entries_.push_back({.key = key, .shape = shape, .trained = trained, .decays = decays, .offset = count});
  count += aligned(elements(shape));
}

void Weights::allocate() {
  parameters_ = at::zeros({parameter_count_});
  gradients_ = at::zeros({parameter_count_});
  buffers_ = at::zeros({buffer_count_});
  for (const Entry& entry : entries_) {
    const int64_t count = elements(entry.shape);
    const at::Tensor& flat = entry.trained ? parameters_ : buffers_;
    at::Tensor view = flat.narrow(0, entry.offset, count).view(entry.shape).detach();
    if (entry.trained) {
      view.set_requires_grad(true);
      view.mutable_grad() = gradients_.narrow(0, entry.offset, count).view(entry.shape);
    }
    views_.emplace(entry.key, view);
  }
}

at::Tensor Weights::get(int layer, const std::string& name) const { return get(key_of(layer, name)); }

at::Tensor Weights::get(const std::string& key) const {
  const auto found = views_.find(key);
  return found == views_.end() ? at::Tensor() : found->second;
}

std::span<float> Weights::parameters() const { return {parameters_.data_ptr<float>(), static_cast<size_t>(parameter_count_)}; }
std::span<float> Weights::gradients() const { return {gradients_.data_ptr<float>(), static_cast<size_t>(parameter_count_)}; }
std::span<float> Weights::buffers() const { return {buffers_.data_ptr<float>(), static_cast<size_t>(buffer_count_)}; }

std::vector<Segment> Weights::segments() const {
  std::vector<Segment> segments;
  for (const Entry& entry : entries_) {
    if (!entry.trained) continue;
    const int64_t end = entry.offset + aligned(elements(entry.shape));
    if (!segments.empty() && segments.back().decays == entry.decays) {
      segments.back().end = end;
    } else {
      segments.push_back({.begin = entry.offset, .end = end, .decays = entry.decays});
    }
  }
  return segments;
}

int64_t Weights::trained_count() const {
  int64_t count = 0;
  for (const Entry& entry : entries_) count += entry.trained ? elements(entry.shape) : 0;
  return count;
}

std::vector<float> copy_of(std::span<const float> values) { return {values.begin(), values.end()}; }

void assign(std::span<float> to, std::span<const float> from) {
  require(to.size() == from.size(), "E0420", "a checkpoint of " + std::to_string(from.size()) + " values does not fit " +
                                                 std::to_string(to.size()));
  std::copy(from.begin(), from.end(), to.begin());
}

}  // namespace espalier::engine
