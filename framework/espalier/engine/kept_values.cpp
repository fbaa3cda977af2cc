#include "espalier/engine/kept_values.h"

#include "espalier/data/hash.h"
#include "espalier/error.h"
#include "espalier/network/analysis.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/core/grad_mode.h>
#include <torch/version.h>

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
      const at::Tensor tensor = weights.get(net.layers()[i].id, weight.name).cpu().contiguous();
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

void write_values(const fs::path& file, const std::vector<int>& layers, const std::vector<int64_t>& rows, const KeptValues::Compute& compute) {
  std::ofstream out(file, std::ios::binary);
  for (size_t begin = 0; begin < rows.size(); begin += kPart) {
    const auto part = std::span(rows).subspan(begin, std::min(kPart, rows.size() - begin));
    std::vector<at::Tensor> values = compute(part, layers);
    for (at::Tensor& value : values) value = value.to(at::kFloat).cpu().flatten(1);
    const at::Tensor all = at::cat(values, 1).contiguous();
    out.write(reinterpret_cast<const char*>(all.data_ptr<float>()), static_cast<std::streamsize>(all.nbytes()));
  }
  require(out.flush().good(), "E0418", "cannot write " + file.string() + ": is the disk full?");
}

/// Of the file's content, which is read once for each inode and time.
std::string digest_of(const fs::path& file) { return hash_inputs({file}, file.parent_path(), file.parent_path() / "seen").digest; }

/// True if the file is there as it was written.
bool is_whole(const fs::path& file, const fs::path& note) {
  std::error_code error;
  if (!fs::exists(file, error)) return false;
  const Json noted = read_json_file(note);
  return noted.is_object() && digest_of(file) == noted.value("digest", "");
}

}  // namespace

std::optional<KeptValues> KeptValues::open(const Json& where, const Network& net, const Weights& weights, const std::string& origin,
                                           const std::vector<int64_t>& rows, const Compute& compute,
                                           const std::function<void(const std::string&)>& say) {
  const std::vector<int> layers = still_values(net, where.value("always", false) ? 0.0 : kMacsOfReading);
  if (layers.empty()) return std::nullopt;
  std::vector<Shape> shapes;
  for (const int layer : layers) shapes.push_back(net.shape({layer}));
  const size_t bytes = rows.size() * static_cast<size_t>(total(shapes)) * sizeof(float);
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
      say("computing what the frozen part gives for " + std::to_string(rows.size()) + " samples");
      write_whole(file, [&](const fs::path& temporary) { write_values(temporary, layers, rows, compute); });
      write_file_safely(note, Json{{"digest", digest_of(file)}}.dump());
    }
    return KeptValues(layers, shapes, rows, Mapping(open_to_read(file), bytes, false));
  } catch (const Error& error) {
    say("what the frozen part gives is not kept: " + error.problems().front().message);
  } catch (const fs::filesystem_error& error) {
    say(std::string("what the frozen part gives is not kept: ") + error.what());
  }
  return std::nullopt;
}

KeptValues::KeptValues(std::vector<int> layers, std::vector<Shape> shapes, const std::vector<int64_t>& rows, Mapping mapping)
    : layers_(std::move(layers)), shapes_(std::move(shapes)), place_(rows.empty() ? 0 : static_cast<size_t>(rows.back()) + 1, -1),
      mapping_(std::move(mapping)) {
  for (size_t i = 0; i < rows.size(); ++i) place_[static_cast<size_t>(rows[i])] = static_cast<int64_t>(i);
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
      for (int64_t r = begin; r < end; ++r)
        std::copy_n(all + place_.at(static_cast<size_t>(rows[static_cast<size_t>(r)])) * width + offset, count, to + r * count);
    });
    inputs[value_name(layers_[i])] = values.dim() == 4 ? values.contiguous(at::MemoryFormat::ChannelsLast) : values;
    offset += count;
  }
}

}  // namespace espalier::engine
