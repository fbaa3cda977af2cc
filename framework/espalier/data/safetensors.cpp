#include "espalier/data/safetensors.h"

#include "espalier/error.h"

#include <array>
#include <fstream>

namespace espalier {

namespace {

[[noreturn]] void damaged(const std::filesystem::path& file, const std::string& why) {
  fail("E0419", file.string() + " is damaged: " + why);
}

TensorHeader::Tensor tensor_from(const Json& entry) {
  return {.dtype = entry.at("dtype").get<std::string>(), .shape = entry.at("shape").get<Shape>(),
          .begin = entry.at("data_offsets").at(0).get<uint64_t>(), .end = entry.at("data_offsets").at(1).get<uint64_t>()};
}

}  // namespace

TensorHeader read_tensor_header(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::error_code error;
  const uint64_t size = std::filesystem::file_size(file, error);
  if (!in || error) fail("E0419", "cannot open " + file.string());
  std::array<unsigned char, 8> length{};
  in.read(reinterpret_cast<char*>(length.data()), length.size());
  uint64_t header_size = 0;
  for (size_t i = 0; i < length.size(); ++i) header_size |= static_cast<uint64_t>(length[i]) << (8 * i);
  if (!in || header_size > size || size - header_size < length.size()) damaged(file, "its header is cut off");
  TensorHeader header;
  header.text.resize(header_size);
  in.read(header.text.data(), static_cast<std::streamsize>(header_size));
  header.value_bytes = size - length.size() - header_size;
  const Json json = Json::parse(header.text, nullptr, false);
  if (!in || !json.is_object()) damaged(file, "its header is not what was written");
  try {
    for (const auto& [name, entry] : json.items()) {
      if (name == "__metadata__") {
        header.metadata = entry;
        continue;
      }
      const TensorHeader::Tensor tensor = tensor_from(entry);
      if (tensor.begin > tensor.end || tensor.end > header.value_bytes) damaged(file, "tensor " + name + " is not within it");
      if (tensor.dtype == "F32" && tensor.end - tensor.begin != sizeof(float) * static_cast<uint64_t>(elements(tensor.shape)))
        damaged(file, "tensor " + name + " has another size than its shape " + to_string(tensor.shape));
      header.tensors[name] = tensor;
    }
  } catch (const Json::exception&) {
    damaged(file, "its header is not what was written");
  }
  if (!header.metadata.is_object()) damaged(file, "its header is not what was written");
  return header;
}

}  // namespace espalier
