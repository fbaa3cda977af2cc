#include "espalier/data/files.h"
#include "espalier/data/safetensors.h"
#include "espalier/error.h"
#include "espalier/network/analysis.h"
#include "espalier/pipeline/pretrained.h"

#include "catch.h"

#include <fstream>

using namespace espalier;

namespace {

/// A file with a header of any length and `bytes` of values.
std::filesystem::path written(const TemporaryFolder& folder, const std::string& header, size_t length, size_t bytes) {
  const std::filesystem::path file = folder.path() / "a.safetensors";
  std::ofstream out(file, std::ios::binary);
  for (size_t i = 0; i < 8; ++i) out.put(static_cast<char>(length >> (8 * i)));
  out << header << std::string(bytes, '\0');
  return file;
}

const Json kHalf = {{"mean", {0.5, 0.5, 0.5}}, {"std", {0.25, 0.25, 0.25}}};

}  // namespace

TEST_CASE("a safetensors header is read, and refused where it is damaged") {
  const TemporaryFolder folder;
  const std::string good = R"({"__metadata__":{"a":"b"},"x":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}})";
  const TensorHeader header = read_tensor_header(written(folder, good, good.size(), 24));
  CHECK(header.metadata.at("a") == "b");
  CHECK(header.tensors.at("x").shape == Shape{2, 3});
  CHECK(header.value_bytes == 24);
  const auto refused = [&](const std::string& text, size_t length, size_t bytes) {
    CHECK_THROWS_WITH(read_tensor_header(written(folder, text, length, bytes)), Catch::Contains("E0419"));
  };
  refused(good, good.size(), 20);
  refused(good, good.size() - 1, 24);
  refused(good, SIZE_MAX, 24);
  refused("", 0, 0);
  refused("[]", 2, 0);
  for (const std::string tensor : {R"({"dtype":"F32","shape":[2,2],"data_offsets":[0,24]})", R"({"dtype":"F32","shape":[6],"data_offsets":[24,0]})",
                                   R"({"dtype":"F32","shape":[6]})", R"({"shape":[6],"data_offsets":[0,24]})", R"(7)"}) {
    INFO(tensor);
    const std::string text = R"({"x":)" + tensor + "}";
    refused(text, text.size(), 24);
  }
  CHECK_THROWS_WITH(read_tensor_header(folder.path() / "none"), Catch::Contains("E0419"));
}

TEST_CASE("weights are named by part, operation and number, whatever stands before the part") {
  Network net;
  Value x = net.input("image", {3, 8, 8}, "uint8");
  x = net.conv(x, {.filters = 3});
  const auto trunk = net.part("trunk");
  {
    const auto part = net.part("stem");
    x = net.batch_norm(net.conv(net.relu(net.conv(x, {.filters = 4})), {.filters = 4}));
  }
  net.dense(net.flatten(x), 2);
  std::vector<std::string> names;
  for (const NamedWeight& weight : named_weights(net, "trunk")) names.push_back(weight.name + " " + weight.key);
  CHECK(names == std::vector<std::string>{"stem/conv1.weight 2.weight", "stem/conv2.weight 4.weight", "stem/batch_norm1.weight 5.weight",
                                          "stem/batch_norm1.bias 5.bias", "stem/batch_norm1.running_mean 5.running_mean",
                                          "stem/batch_norm1.running_var 5.running_var", "dense1.weight 7.weight", "dense1.bias 7.bias"});
}

TEST_CASE("how a graph scales pixels is compared with what weights were made for") {
  Network net;
  const Value pixels = net.input("image", {3, 8, 8}, "uint8");
  const Value right =
      net.random_flip(net.resize(net.normalize(net.scale(pixels, 1.0 / 255.0), {0.5, 0.5, 0.5}, {0.25, 0.25, 0.25}), 16, 16), true, false);
  const Value in_one = net.scale(pixels, 4.0 / 255.0, -2.0);
  const Value in_order = net.normalize(net.scale(pixels, 1.0, 10.0), std::vector<double>(3, 137.5), std::vector<double>(3, 63.75));
  CHECK(why_other_pixels(net, right.layer, kHalf).empty());
  CHECK(why_other_pixels(net, in_one.layer, kHalf).empty());
  CHECK(why_other_pixels(net, in_order.layer, kHalf).empty());
  const Value unscaled = net.normalize(pixels, {0.5, 0.5, 0.5}, {0.25, 0.25, 0.25});
  const Value blue = net.normalize(net.scale(pixels, 1.0 / 255.0), {0.5, 0.5, 0.51}, {0.25, 0.25, 0.25});
  CHECK_THAT(why_other_pixels(net, pixels.layer, kHalf), Catch::Contains("from 0 to 255 instead of from -2 to 2"));
  CHECK_FALSE(why_other_pixels(net, unscaled.layer, kHalf).empty());
  CHECK_THAT(why_other_pixels(net, blue.layer, kHalf), Catch::Contains("channel 2"));
  // Statistics of the training data are not known before, and a convolution's values are no pixels.
  CHECK_THAT(why_other_pixels(net, net.normalize(pixels).layer, kHalf), Catch::Contains("not pixels scaled by constants"));
  CHECK_FALSE(why_other_pixels(net, net.conv(in_one, {.filters = 3}).layer, kHalf).empty());
  Network grey;
  const Value one = grey.normalize(grey.scale(grey.input("image", {1, 8, 8}, "uint8"), 1.0 / 255.0), {0.5}, {0.25});
  CHECK(why_other_pixels(grey, grey.repeat_channels(one, 3).layer, kHalf).empty());
}

TEST_CASE("what is frozen stands in the document, costs no gradient and is fixed up to what is trained") {
  Network net;
  Value x = net.input("image", {3, 8, 8}, "uint8");
  x = net.relu6(net.conv(net.normalize(x), {.filters = 4}));
  const size_t end = net.layers().size();
  net.dense(net.global_avg_pool(x), 2);
  const Cost before = cost(net);
  net.freeze(2, end, Layer::never);
  CHECK(cost(net).frozen == 3 * 4 * 9);
  CHECK(cost(net).parameters == before.parameters);
  CHECK(cost(net).activation_bytes < before.activation_bytes);
  CHECK(fixed_layers(net, 100) == std::vector<bool>{true, true, true, true, true, false});
  CHECK(Network::from_json(net.to_json()).to_json() == net.to_json());
  CHECK(Network::from_json(net.to_json()).layers()[2].trained_from == Layer::never);
  net.freeze(2, end, 5);
  CHECK(cost(net).frozen == 0);
  CHECK(cost(net).activation_bytes == before.activation_bytes);
  CHECK(fixed_layers(net, 4).at(3));
  CHECK(fixed_layers(net, 5).at(1));
  CHECK_FALSE(fixed_layers(net, 5).at(2));
}
