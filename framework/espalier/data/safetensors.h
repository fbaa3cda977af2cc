#pragma once

#include "espalier/json.h"
#include "espalier/shape.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace espalier {

/// What a file in the safetensors format (github.com/huggingface/safetensors) says before its values: eight bytes of
/// length, then JSON.
struct TensorHeader {
  struct Tensor {
    std::string dtype;   ///< "F32", "BF16", ...
    Shape shape;
    uint64_t begin = 0;  ///< bytes from the end of the header
    uint64_t end = 0;
  };
  std::string text;                      ///< the JSON as it stands there
  Json metadata = Json::object();        ///< texts by name
  std::map<std::string, Tensor> tensors;
  uint64_t value_bytes = 0;              ///< of all tensors
};

/// Throws E0419 if the file cannot be read, is cut off or is not of this format.
TensorHeader read_tensor_header(const std::filesystem::path& file);

}  // namespace espalier
