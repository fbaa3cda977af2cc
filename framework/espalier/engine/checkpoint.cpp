#include "espalier/engine/checkpoint.h"

#include "espalier/data/files.h"
#include "espalier/data/hash.h"
#include "espalier/data/safetensors.h"
#include "espalier/error.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>

namespace espalier::engine {

namespace {

/// A file that is written anew.
class File {
 public:
  explicit File(const std::filesystem::path& path) : path_(path), descriptor_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {
    require(descriptor_.number() >= 0, "E0418", "cannot open " + path.string() + ": " + std::strerror(errno));
  }
  void write(const void* bytes, size_t count) const {
    const char* from = static_cast<const char*>(bytes);
    while (count > 0) {
      const ssize_t n = ::write(descriptor_.number(), from, count);
      if (n < 0 && errno == EINTR) continue;
      require(n > 0, "E0418", "cannot write " + path_.string() + ": " + std::strerror(errno));
      from += n;
      count -= static_cast<size_t>(n);
    }
  }
  void flush() const { require(::fsync(descriptor_.number()) == 0, "E0418", "cannot flush " + path_.string() + ": " + std::strerror(errno)); }

 private:
  std::filesystem::path path_;
  Descriptor descriptor_;
};

/// What stands for the header's own hash while that is taken.
const std::string& no_hash() {
  static const std::string kZeros(64, '0');
  return kZeros;
}

std::string header_of(const TensorFile& content, const std::string& hash) {
  Json header = Json::object();
  header["__metadata__"] = {{"format", "espalier 1"}, {"header_sha256", no_hash()}, {"sha256", hash}, {"state", content.state.dump()}};
  size_t offset = 0;
  for (const auto& [name, tensor] : content.tensors) {
    const size_t bytes = tensor.values.size() * sizeof(float);
    header[name] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  header["__metadata__"]["header_sha256"] = sha256_of(text);
  std::string signed_text = header.dump();
  signed_text.append(text.size() - signed_text.size(), ' ');
  return signed_text;
}

/// True if a header is as it was written. Files of other programs have no hash of it.
bool is_whole(std::string text, const Json& metadata) {
  const std::string hash = metadata.value("header_sha256", std::string());
  if (hash.empty()) return true;
  const size_t at = text.find(hash);
  if (hash.size() != no_hash().size() || at == std::string::npos) return false;
  return sha256_of(text.replace(at, hash.size(), no_hash())) == hash;
}

/// Flat buffers where the processor can read and write them: themselves, or copies.
struct FlatCopies {
  FlatCopies(const at::Tensor& of_parameters, const at::Tensor& of_buffers)
      : parameters(of_parameters.defined() ? of_parameters.cpu() : of_parameters), buffers(of_buffers.defined() ? of_buffers.cpu() : of_buffers) {}
  const at::Tensor& of(const Entry& entry) const { return entry.trained ? parameters : buffers; }
  at::Tensor parameters;
  at::Tensor buffers;
};

/// The numbers in a checkpoint's name, by which epoch-9999, epoch-9999-step-000012 and epoch-10000 follow one another.
std::vector<int64_t> numbers_of(const std::filesystem::path& file) {
  const std::string name = file.stem().string();
  std::vector<int64_t> numbers;
  bool within = false;
  for (const char c : name) {
    const bool is_digit = c >= '0' && c <= '9';
    if (is_digit && !within) numbers.push_back(0);
    if (is_digit) numbers.back() = 10 * numbers.back() + (c - '0');
    within = is_digit;
  }
  return numbers;
}

[[noreturn]] void damaged(const std::filesystem::path& file, const std::string& why) {
  fail("E0419", file.string() + " is damaged: " + why);
}

}  // namespace

std::string write_tensors(const std::filesystem::path& file, const TensorFile& content) {
  Sha256 sum;
  for (const auto& [name, tensor] : content.tensors) sum.add(tensor.values.data(), tensor.values.size() * sizeof(float));
  const std::string hash = sum.hex();
  const std::string header = header_of(content, hash);
  if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path());
  write_whole(file, [&](const std::filesystem::path& temporary) {
    const File out(temporary);
    std::array<unsigned char, 8> length{};
    for (size_t i = 0; i < 8; ++i) length[i] = static_cast<unsigned char>(header.size() >> (8 * i));
    out.write(length.data(), length.size());
    out.write(header.data(), header.size());
    for (const auto& [name, tensor] : content.tensors) out.write(tensor.values.data(), tensor.values.size() * sizeof(float));
    out.flush();
  });
  return hash;
}

TensorFile read_tensors(const std::filesystem::path& file) {
  const TensorHeader header = read_tensor_header(file);
  if (!is_whole(header.text, header.metadata)) damaged(file, "its header is not what was written");
  if (header.value_bytes % sizeof(float) != 0) damaged(file, "it ends within a number");
  std::vector<float> all(header.value_bytes / sizeof(float));
  std::ifstream in(file, std::ios::binary);
  in.seekg(-static_cast<std::streamoff>(header.value_bytes), std::ios::end);
  in.read(reinterpret_cast<char*>(all.data()), static_cast<std::streamsize>(header.value_bytes));
  if (!in) damaged(file, "it cannot be read to its end");
  Sha256 sum;
  sum.add(all.data(), header.value_bytes);
  if (header.metadata.contains("sha256") && header.metadata["sha256"] != sum.hex()) damaged(file, "its SHA-256 is another");
  TensorFile content;
  if (header.metadata.contains("state")) content.state = Json::parse(header.metadata["state"].get<std::string>());
  for (const auto& [name, tensor] : header.tensors) {
    if (tensor.dtype != "F32") damaged(file, "tensor " + name + " is not of float32");
    const auto at = [&](uint64_t byte) { return all.begin() + static_cast<std::ptrdiff_t>(byte / sizeof(float)); };
    content.tensors[name] = {.shape = tensor.shape, .values = {at(tensor.begin), at(tensor.end)}};
  }
  return content;
}

TensorFile read_checkpoint(const std::filesystem::path& file, const std::function<void(const std::string&)>& say) {
  std::string why;
  try {
    return read_tensors(file);
  } catch (const Error& error) {
    why = error.problems().front().message;
  }
  std::vector<std::filesystem::path> earlier;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(file.parent_path(), ignored))
    if (entry.path().extension() == ".ckpt" && numbers_of(entry.path()) < numbers_of(file)) earlier.push_back(entry.path());
  std::ranges::sort(earlier, std::greater(), numbers_of);
  for (const std::filesystem::path& path : earlier) {
    try {
      TensorFile content = read_tensors(path);
      say(why + "; going on from " + path.filename().string());
      return content;
    } catch (const Error&) {
      // Damaged, too: the one before it may be whole.
    }
  }
  fail("E0419", why, "no earlier checkpoint lies beside it");
}

void put_weights(TensorFile& file, const std::string& prefix, const Weights& weights, const at::Tensor& parameters, const at::Tensor& buffers) {
  const FlatCopies copies(parameters, buffers);
  for (const Entry& entry : weights.entries()) {
    const at::Tensor& flat = copies.of(entry);
    if (!flat.defined()) continue;
    const auto* values = flat.const_data_ptr<float>() + entry.offset;
    file.tensors[prefix + entry.key] = {.shape = entry.shape, .values = {values, values + elements(entry.shape)}};
  }
}

void put_values(TensorFile& file, const std::string& name, const at::Tensor& values) {
  file.tensors[name] = {.shape = {values.size(0)}, .values = copy_of(values)};
}

void get_values(const TensorFile& file, const std::string& name, at::Tensor values) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end()) return;
  require(found->second.shape == Shape{values.size(0)}, "E0420",
          "tensor '" + name + "' is " + to_string(found->second.shape) + ", the training wants " + to_string(Shape{values.size(0)}));
  values.copy_(at::tensor(found->second.values));
}

void get_weights(const TensorFile& file, const std::string& prefix, const Weights& weights, const at::Tensor& parameters,
                 const at::Tensor& buffers) {
  const FlatCopies copies(parameters, buffers);
  for (const Entry& entry : weights.entries()) {
    const at::Tensor& flat = copies.of(entry);
    if (!flat.defined()) continue;
    const auto found = file.tensors.find(prefix + entry.key);
    require(found != file.tensors.end(), "E0420", "the weights hold no tensor '" + prefix + entry.key + "'");
    require(found->second.shape == entry.shape, "E0420", "tensor '" + prefix + entry.key + "' is " + to_string(found->second.shape) +
                                                             ", the network wants " + to_string(entry.shape));
    std::ranges::copy(found->second.values, flat.data_ptr<float>() + entry.offset);
  }
  if (parameters.defined()) parameters.copy_(copies.parameters);
  if (buffers.defined()) buffers.copy_(copies.buffers);
}

}  // namespace espalier::engine
