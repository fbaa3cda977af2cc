#pragma once

#include "espalier/engine/weights.h"
#include "espalier/json.h"

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace espalier::engine {

/// Float32 tensors by name, with text beside them: a file in the safetensors format (eight bytes of length, a JSON
/// header, raw values). The metadata holds the SHA-256 of the values and of the header.
struct TensorFile {
  struct Tensor {
    Shape shape;
    std::vector<float> values;
  };
  std::map<std::string, Tensor> tensors;
  Json state = Json::object();
};

/// Writes to a temporary name, flushes, renames, flushes the folder: a reader sees the whole file or none. Returns the
/// SHA-256 of the values. Throws E0418.
std::string write_tensors(const std::filesystem::path& file, const TensorFile& content);

/// Throws E0419 if the file is damaged or not of this format.
TensorFile read_tensors(const std::filesystem::path& file);

/// Reads a checkpoint or, where it is damaged, the last whole one before it in its folder, and says so. Throws E0419 if
/// there is none.
TensorFile read_checkpoint(const std::filesystem::path& file, const std::function<void(const std::string&)>& say);

/// A row of numbers (N), on any device, by its name.
void put_values(TensorFile& file, const std::string& name, const at::Tensor& values);
/// The inverse; values that the file does not hold stay as they are. Throws E0420 where it holds another number of them.
void get_values(const TensorFile& file, const std::string& name, at::Tensor values);

/// Flat parameters and buffers, on any device, as named tensors, "<layer id>.<name>", after `prefix`; what is undefined is left out.
void put_weights(TensorFile& file, const std::string& prefix, const Weights& weights, const at::Tensor& parameters, const at::Tensor& buffers);
/// The inverse: fills what is defined. Throws E0420 where the file does not fit the network.
void get_weights(const TensorFile& file, const std::string& prefix, const Weights& weights, const at::Tensor& parameters,
                 const at::Tensor& buffers);

}  // namespace espalier::engine
