#include "espalier/engine/kept_values.h"

#include "espalier/data/hash.h"
#include "espalier/error.h"
#include "espalier/network/analysis.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/core/grad_mode.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <numeric>

namespace espalier::engine {

namespace {

namespace fs = std::filesystem;

constexpr size_t kPart = 250;  // rows

/// By number: layers that some of `layers` needs.
std::vector<bool> below(const Network& net, const std::vector<int>& layers) {
  std::vector<bool> needed(net.layers().size(), false);
  for (const int layer : layers) needed[static_cast<size_t>(layer)] = true;
  for (size_t i = needed.size(); i-- > 0;)
    if (needed[i])
      for (const int source : net.layers()[i].in) needed[static_cast<size_t>(source)] = true;
  return needed;
}

std::string key_of(const Network& net, const Weights& weights, const std::vector<int>& layers, const std::string& origin) {
  Sha256 hash;
  const Json document = net.to_json();
  const std::vector<bool> needed = below(net, layers);
  for (size_t i = 0; i < needed.size(); ++i) {
    if (!needed[i]) continue;
    hash.add(document.at("layers").at(i).dump());
    for (const Weight& weight : net.layers()[i].weights) {
      const at::Tensor tensor = weights.get(net.layers()[i].id, weight.name).contiguous();
      hash.add(tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel()) * sizeof(float));
    }
  }
  for (const int layer : layers) hash.add(std::to_string(layer) + ";");
  hash.add(origin + ";" TORCH_VERSION ";" + at::get_cpu_capability());
  return hash.hex().substr(0, 32);
}

int64_t total(const std::vector<Shape>& shapes) {
  return std::accumulate(shapes.begin(), shapes.end(), int64_t{0}, [](int64_t sum, const Shape& shape) { return sum + elements(shape); });
}

/// Writes the rows that are wanted; the others stay zero.
void write_values(const fs::path& file, size_t bytes, const std::vector<int>& layers, int64_t width, const std::vector<int64_t>& wanted,
                  const KeptValues::Compute& compute) {
  std::ofstream(file, std::ios::binary).close();
  fs::resize_file(file, bytes);
  std::ofstream out(file, std::ios::binary | std::ios::in);
  std::vector<float> row(static_cast<size_t>(width));
  for (size_t begin = 0; begin < wanted.size(); begin += kPart) {
    const auto rows = std::span(wanted).subspan(begin, std::min(kPart, wanted.size() - begin));
    std::vector<at::Tensor> values = compute(rows, layers);
    for (at::Tensor& value : values) value = value.to(at::kFloat).flatten(1).contiguous();
    for (size_t r = 0; r < rows.size(); ++r) {
      auto* to = row.data();
      for (const at::Tensor& value : values) to = std::copy_n(value.data_ptr<float>() + static_cast<int64_t>(r) * value.size(1), value.size(1), to);
      out.seekp(rows[r] * width * static_cast<int64_t>(sizeof(float)));
      out.write(reinterpret_cast<const char*>(row.data()), static_cast<std::streamsize>(row.size() * sizeof(float)));
    }
  }
  require(out.flush().good(), "E0418", "cannot write " + file.string() + ": is the disk full?");
}

/// True if the file is there as it was written: its hash is read once for each inode and time.
bool is_whole(const fs::path& file, const fs::path& note) {
  std::error_code error;
  if (!fs::exists(file, error)) return false;
  const Json noted = read_json_file(note);
  return noted.is_object() && hash_inputs({file}, file.parent_path(), file.parent_path() / "seen").digest == noted.value("digest", "");
}

void make(const fs::path& file, const fs::path& note, const std::function<void(const fs::path&)>& write) {
  const fs::path temporary = temporary_name(file);
  try {
    write(temporary);
    publish(temporary, file);
    write_file_safely(note, Json{{"digest", hash_inputs({file}, file.parent_path(), file.parent_path() / "seen").digest}}.dump());
  } catch (...) {
    std::error_code error;
    fs::remove(temporary, error);
    throw;
  }
}

}  // namespace

std::optional<KeptValues> KeptValues::open(const Json& where, const Network& net, const Weights& weights, const std::string& origin,
                                           int64_t rows, const std::vector<int64_t>& wanted, const Compute& compute,
                                           const std::function<void(const std::string&)>& say) {
  const std::vector<int> layers = still_values(net, where.value("always", false) ? 0.0 : kMacsOfReading);
  if (layers.empty()) return std::nullopt;
  std::vector<Shape> shapes;
  for (const int layer : layers) shapes.push_back(net.shape({layer}));
  const int64_t width = total(shapes);
  const auto bytes = static_cast<size_t>(rows * width) * sizeof(float);
  if (static_cast<double>(bytes) > where.value("quota", 4e9)) {
    say("what the frozen part gives is not kept: it takes " + std::to_string(bytes / 1000000) + " MB, more than run.cache.quota");
    return std::nullopt;
  }
  const fs::path folder = where.at("folder").get<std::string>();
  const std::string key = key_of(net, weights, layers, origin);
  const fs::path file = folder / (key + ".values");
  const fs::path note = folder / (key + ".json");
  try {
    fs::create_directories(folder);
    const Descriptor lock = lock_file(folder / (key + ".lock"));
    if (!is_whole(file, note)) {
      say("computing what the frozen part gives for " + std::to_string(wanted.size()) + " samples");
      make(file, note, [&](const fs::path& temporary) { write_values(temporary, bytes, layers, width, wanted, compute); });
    }
    return KeptValues(layers, shapes, Mapping(open_to_read(file), bytes, false));
  } catch (const Error& error) {
    say("what the frozen part gives is not kept: " + error.problems().front().message);
  } catch (const fs::filesystem_error& error) {
    say(std::string("what the frozen part gives is not kept: ") + error.what());
  }
  return std::nullopt;
}

void KeptValues::gather(std::span<const int64_t> rows, Inputs& inputs) const {
  const int64_t width = total(shapes_);
  const auto* all = reinterpret_cast<const float*>(mapping_.bytes());
  int64_t offset = 0;
  for (size_t i = 0; i < layers_.size(); ++i) {
    const int64_t count = elements(shapes_[i]);
    std::vector<int64_t> shape{static_cast<int64_t>(rows.size())};
    shape.insert(shape.end(), shapes_[i].begin(), shapes_[i].end());
    at::Tensor values = at::empty(shape, at::kFloat);
    auto* to = values.data_ptr<float>();
    at::parallel_for(0, static_cast<int64_t>(rows.size()), 16, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) std::copy_n(all + rows[static_cast<size_t>(r)] * width + offset, count, to + r * count);
    });
    inputs[value_name(layers_[i])] = values.dim() == 4 ? values.contiguous(at::MemoryFormat::ChannelsLast) : values;
    offset += count;
  }
}

}  // namespace espalier::engine
