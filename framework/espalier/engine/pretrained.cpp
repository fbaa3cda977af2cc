#include "espalier/engine/pretrained.h"

#include "espalier/data/hash.h"
#include "espalier/engine/checkpoint.h"
#include "espalier/error.h"

#include <algorithm>

namespace espalier::engine {

void load_pretrained(const Json& trial, Weights& weights) {
  const Json all = trial.value("pretrained", Json::array());
  for (const Json& one : all) {
    const std::string file = one.at("file").get<std::string>();
    require(sha256_of_file(file) == one.at("sha256").get<std::string>(), "E2094", file + " is not the file that the trial was planned with");
    const TensorFile content = read_tensors(file);
    for (const auto& [key, name] : one.at("tensors").items()) {
      const auto found = content.tensors.find(name.get<std::string>());
      at::Tensor to = weights.get(key);
      require(found != content.tensors.end() && to.defined() && found->second.shape == Shape(to.sizes().begin(), to.sizes().end()), "E0420",
              file + " has no tensor '" + name.get<std::string>() + "' that fits weight " + key);
      to.detach().copy_(at::tensor(found->second.values).view(to.sizes()));
    }
  }
}

}  // namespace espalier::engine
