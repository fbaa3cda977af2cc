#include "torch_catch.h"

#include "espalier/data/files.h"
#include "espalier/data/hash.h"
#include "espalier/engine/checkpoint.h"
#include "espalier/engine/executor.h"
#include "espalier/engine/pretrained.h"
#include "espalier/error.h"
#include "espalier/plugin.h"

#include <ATen/core/grad_mode.h>

#include <dlfcn.h>
#include <cstdlib>
#include <filesystem>

using namespace espalier;
using namespace espalier::engine;
namespace fs = std::filesystem;

namespace {

Plugin open_plugin(const std::string& name) {
  const auto library = fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "lib" / "espalier" / "plugins" / (name + ".so");
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) throw std::runtime_error(dlerror());
  Plugin plugin;
  static_cast<const EspalierPluginHeader*>(dlsym(handle, "espalier_plugin"))->fill(plugin);
  return plugin;
}

/// A trial that begins with all tensors of a part of the network, by the names that the file should have.
Json trial_of(const Network& net, const std::vector<std::string>& parts, const fs::path& file) {
  Json tensors = Json::object();
  for (const std::string& part : parts)
    for (const NamedWeight& weight : named_weights(net, part)) tensors[weight.key] = (part == "trunk" ? "" : part + "/") + weight.name;
  return {{"pretrained", {{{"node", "trunk"}, {"file", file.string()}, {"sha256", sha256_of_file(file)}, {"tensors", tensors}}}}};
}

at::Tensor tensor_of(const TensorFile& file, const std::string& name) {
  const TensorFile::Tensor& tensor = file.tensors.at(name);
  return at::from_blob(const_cast<float*>(tensor.values.data()), tensor.shape).clone();
}

Network two_layers() {
  Network net;
  const Value x = net.input("x", {4}, "float32");
  const auto part = net.part("trunk");
  net.dense(net.dense(x, 3), 2);
  return net;
}

}  // namespace

TEST_CASE("an EfficientNet gives the logits of PyPI's model on real pictures", "[logits][.]") {
  const char* folder = std::getenv("ESPALIER_PRETRAINED");
  REQUIRE(folder != nullptr);
  const TensorFile reference = read_tensors(fs::path(folder) / "reference.safetensors");
  const at::Tensor pictures = tensor_of(reference, "pictures").contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor logits = tensor_of(reference, "logits");
  const Plugin normalization = open_plugin("normalization");
  const Plugin efficientnet = open_plugin("efficientnet");
  Network net;
  const auto version = reference.state.at("version").get<std::string>();
  const auto size = reference.state.at("size").get<int64_t>();
  Value x = net.resize(net.input("image", {3, 32, 32}, "uint8"), size, size);
  const Json scaling = {{"mean", std::vector<double>(3, 127.0 / 255.0)}, {"std", std::vector<double>(3, 128.0 / 255.0)}};
  x = normalization.blocks.at(0).build(net, scaling, {x});
  {
    const auto part = net.part("trunk");
    x = efficientnet.blocks.at(0).build(net, {{"version", version}}, {x});
  }
  {
    const auto part = net.part("classifier");
    x = net.dense(net.global_avg_pool(x), logits.size(1));
  }
  Weights weights(net, 1);
  load_pretrained(trial_of(net, {"trunk", "classifier"}, fs::path(folder) / (version + ".safetensors")), weights);
  const at::NoGradGuard none;
  const Executor executor(net, weights);
  double most = 0.0;
  int64_t equal = 0;
  for (int64_t i = 0; i < pictures.size(0); i += 20) {
    const at::Tensor ours = executor.run({{"image", pictures.narrow(0, i, 20)}}, {x.layer}, nullptr)[0];
    most = std::max(most, (ours - logits.narrow(0, i, 20)).abs().max().item<double>());
    equal += ours.argmax(1).eq(logits.narrow(0, i, 20).argmax(1)).sum().item<int64_t>();
  }
  WARN(version << ": greatest difference of " << logits.numel() << " logits between " << logits.min().item<double>() << " and "
                                 << logits.max().item<double>() << ": " << most);
  CHECK(most < 1e-4);
  CHECK(equal == pictures.size(0));
}

TEST_CASE("tensors of a file are found by the names of parts, operations and weights") {
  const TemporaryFolder temporary;
  const fs::path& folder = temporary.path();
  const Network net = two_layers();
  TensorFile content;
  content.tensors["dense1.weight"] = {.shape = {3, 4}, .values = std::vector<float>(12, 1.5F)};
  content.tensors["dense1.bias"] = {.shape = {3}, .values = std::vector<float>(3, 2.5F)};
  content.tensors["dense2.weight"] = {.shape = {2, 3}, .values = std::vector<float>(6, 3.5F)};
  content.tensors["dense2.bias"] = {.shape = {2}, .values = std::vector<float>(2, 4.5F)};
  write_tensors(folder / "a.safetensors", content);
  Weights weights(net, 1);
  const Json trial = trial_of(net, {"trunk"}, folder / "a.safetensors");
  load_pretrained(trial, weights);
  CHECK(weights.get(1, "weight").eq(1.5).all().item<bool>());
  CHECK(weights.get(1, "bias").eq(2.5).all().item<bool>());
  CHECK(weights.get(2, "weight").eq(3.5).all().item<bool>());
  CHECK(weights.get(2, "bias").eq(4.5).all().item<bool>());

  content.tensors["dense2.bias"].values = {0.0F, 0.0F};
  write_tensors(folder / "a.safetensors", content);
  CHECK_THROWS_WITH(load_pretrained(trial, weights), Catch::Contains("E2094"));
  content.tensors["dense2.bias"] = {.shape = {3}, .values = std::vector<float>(3, 0.0F)};
  write_tensors(folder / "a.safetensors", content);
  CHECK_THROWS_WITH(load_pretrained(trial_of(net, {"trunk"}, folder / "a.safetensors"), weights), Catch::Contains("dense2.bias"));
}
