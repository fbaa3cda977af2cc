#include "espalier/engine/batches.h"

#include "espalier/engine/device.h"
#include "espalier/error.h"
#include "espalier/random.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <numeric>

namespace espalier::engine {

namespace {

std::map<std::string, std::string> names(const Json& data, const char* key) {
  return data.value(key, std::map<std::string, std::string>());
}

template <class T>
at::Tensor numbers(const ColumnView& column, std::span<const int64_t> rows, at::ScalarType type) {
  const int64_t width = elements(column.shape);
  at::Tensor out = at::empty({static_cast<int64_t>(rows.size()), width}, type);
  const T* from = column.as<T>();
  const auto copy = [&](auto* to) {
    using Out = std::remove_pointer_t<decltype(to)>;
    for (const int64_t row : rows)
      for (int64_t i = 0; i < width; ++i) *to++ = static_cast<Out>(from[row * width + i]);
  };
  if (type == at::kLong) {
    copy(out.data_ptr<int64_t>());
  } else if (type == at::kDouble) {
    copy(out.data_ptr<double>());
  } else {
    copy(out.data_ptr<float>());
  }
  return out;
}

constexpr int64_t kMostSent = int64_t{4} << 30;  // bytes; NVIDIA's smallest for such work have 8 GiB

at::Tensor sent(const ColumnView& column, int64_t rows, at::Device device) {
  std::vector<int64_t> sizes = column.shape;
  sizes.insert(sizes.begin(), rows);
  return at::from_blob(const_cast<uint8_t*>(column.as<uint8_t>()), sizes, at::kByte).to(device);
}

at::Tensor gather_numbers(const ColumnView& column, std::span<const int64_t> rows, at::ScalarType type) {
  if (column.type == "int64") return numbers<int64_t>(column, rows, type);
  if (column.type == "float32") return numbers<float>(column, rows, type);
  if (column.type == "uint8") return numbers<uint8_t>(column, rows, type);
  fail("E2090", "column '" + column.name + "' is of type " + column.type + ", which no network takes");
}

}  // namespace

at::Tensor pictures(const uint8_t* values, const Shape& shape, std::span<const int64_t> rows) {
  const auto batch = static_cast<int64_t>(rows.size());
  at::Tensor out = at::empty({batch, shape.at(2), shape.at(0), shape.at(1)}, at::TensorOptions().dtype(at::kFloat),
                             at::MemoryFormat::ChannelsLast);
  const int64_t size = elements(shape);
  auto* to = out.data_ptr<float>();
  at::parallel_for(0, batch, 16, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const uint8_t* from = values + rows[static_cast<size_t>(b)] * size;
      float* sample = to + b * size;
      for (int64_t i = 0; i < size; ++i) sample[i] = static_cast<float>(from[i]);
    }
  });
  return out;
}

Batches::Batches(const Json& data, const Network& net, at::Device device)
    : device_(device),
      prepared_(Prepared::open(data.at("cache").get<std::string>())),
      splits_(read_splits(data.at("splits").get<std::string>())),
      input_columns_(names(data, "inputs")),
      target_columns_(names(data, "targets")),
      weight_column_(data.value("sample_weight", std::string())) {
  for (const Layer& layer : net.layers()) {
    if (layer.op != "input") continue;
    const std::string name = layer.set.at("name").get<std::string>();
    input_columns_.try_emplace(name, name);
  }
  for (const Output& output : net.outputs()) target_columns_.try_emplace(output.head, output.target);
  for (const auto& [name, column] : input_columns_) prepared_.column(column);
  for (const auto& [head, column] : target_columns_) prepared_.column(column);
  if (!weight_column_.empty()) read_sample_weights();
  if (device_.is_cpu()) return;
  for (const auto& [name, column_name] : input_columns_) {
    const ColumnView& column = prepared_.column(column_name);
    const bool fits = prepared_.rows() * elements(column.shape) <= kMostSent;
    if (column.kind == ColumnKind::image && fits) sent_[column_name] = sent(column, prepared_.rows(), device_);
  }
}

void Batches::read_sample_weights() {
  if (splits_.train.empty()) return;
  const at::Tensor all = gather_numbers(prepared_.column(weight_column_), splits_.train, at::kDouble);
  const bool legal = all.isfinite().logical_and(all.ge(0.0)).all().item<bool>();
  require(legal && all.sum().item<double>() > 0.0, "E2093",
          "'" + weight_column_ + "' holds no weights of samples: they are 0 or more, and some above 0");
  weight_scale_ = 1.0 / all.mean().item<double>();
}

const std::vector<int64_t>& Batches::split(const std::string& name) const {
  if (name == "train") return splits_.train;
  if (name == "validation") return splits_.validation;
  if (name == "test") return splits_.test;
  fail("E0416", "no split is called '" + name + "'", "train, validation and test are there");
}

void Batches::keep(std::shared_ptr<const KeptValues> values, const Network& net) {
  kept_ = std::move(values);
  std::vector<bool> needed(net.layers().size(), false);
  for (const Output& output : net.outputs()) needed[static_cast<size_t>(output.layer)] = true;
  for (size_t i = needed.size(); i-- > 0;) {
    if (!needed[i] || std::ranges::find(kept_->layers(), static_cast<int>(i)) != kept_->layers().end()) continue;
    for (const int source : net.layers()[i].in) needed[static_cast<size_t>(source)] = true;
  }
  for (const Layer& layer : net.layers())
    if (layer.op == "input" && !needed[static_cast<size_t>(layer.id)]) input_columns_.erase(layer.set.at("name").get<std::string>());
  std::erase_if(sent_, [&](const auto& column) {
    return std::ranges::none_of(input_columns_, [&](const auto& input) { return input.second == column.first; });
  });
}

Inputs Batches::inputs(std::span<const int64_t> rows) const {
  Inputs all;
  if (kept_) kept_->gather(rows, all);
  for (const auto& [name, column_name] : input_columns_) {
    const ColumnView& column = prepared_.column(column_name);
    all[name] = column.kind == ColumnKind::image ? pictures_of(column_name, rows) : gather_numbers(column, rows, at::kFloat);
  }
  for (auto& [name, values] : all) values = sent_to(device_, values);
  return all;
}

at::Tensor Batches::pictures_of(const std::string& column_name, std::span<const int64_t> rows) const {
  const ColumnView& column = prepared_.column(column_name);
  const auto found = sent_.find(column_name);
  if (found == sent_.end()) return pictures(column.as<uint8_t>(), column.shape, rows);
  const at::Tensor chosen = sent_to(device_, at::tensor(at::IntArrayRef(rows.data(), rows.size()), at::kLong));
  // (B, H, W, C) seen as (B, C, H, W) is channels last already.
  return found->second.index_select(0, chosen).permute({0, 3, 1, 2}).to(at::kFloat);
}

const ColumnView& Batches::target_column(const std::string& head) const {
  return prepared_.column(target_columns_.at(head));
}

at::Tensor Batches::target(const std::string& head, std::span<const int64_t> rows) const {
  const ColumnView& column = target_column(head);
  if (column.kind == ColumnKind::class_label) return sent_to(device_, gather_numbers(column, rows, at::kLong).flatten());
  return sent_to(device_, gather_numbers(column, rows, at::kFloat));
}

Batch Batches::gather(std::span<const int64_t> rows) const {
  Batch batch{.inputs = inputs(rows), .targets = {}, .importance = {}};
  for (const auto& [head, column] : target_columns_) batch.targets[head] = target(head, rows);
  if (!weight_column_.empty())
    batch.importance = sent_to(device_, gather_numbers(prepared_.column(weight_column_), rows, at::kFloat).flatten() * weight_scale_);
  return batch;
}

std::vector<int64_t> shuffled(const std::vector<int64_t>& rows, uint64_t seed, int64_t epoch) {
  std::vector<int64_t> order = rows;
  Random random(derive_seed(seed, static_cast<uint64_t>(epoch)));
  shuffle(order, random);
  return order;
}

}  // namespace espalier::engine
