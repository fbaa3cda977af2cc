#include "espalier/block.h"
#include "espalier/head.h"
#include "espalier/network/analysis.h"

#include "catch.h"

#include <dlfcn.h>
#include <algorithm>
#include <filesystem>
#include <map>
#include <stdexcept>

using namespace espalier;

namespace {

/// Opens a plugin of this build tree; libraries stay open as long as the process, for their code is called later.
Plugin open_plugin(const std::string& name) {
  const auto tests = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  const auto library = tests.parent_path() / "lib" / "espalier" / "plugins" / (name + ".so");
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) throw std::runtime_error(dlerror());
  const auto* header = static_cast<const EspalierPluginHeader*>(dlsym(handle, "espalier_plugin"));
  if (header == nullptr) throw std::runtime_error(library.string() + " has no header");
  Plugin plugin;
  header->fill(plugin);
  return plugin;
}

Value build(Network& net, const std::string& block, const Json& settings, std::vector<Value> inputs) {
  const Plugin plugin = open_plugin(block);
  return plugin.blocks.at(0).build(net, settings, inputs);
}

Network network_of(const std::string& block, const Json& settings, const Shape& shape) {
  Network net;
  net.set_block_builder(build);
  build(net, block, settings, {net.input("image", shape, "uint8")});
  return net;
}

const Shape& last_shape(const Network& net) { return net.layers().back().shape; }

/// With a classifier on top.
Network classifier_of(const std::string& block, const Json& settings, const Shape& shape, int64_t classes) {
  Network net = network_of(block, settings, shape);
  const Value x{static_cast<int>(net.layers().size()) - 1};
  net.dense(net.shape(x).size() == 1 ? x : net.global_avg_pool(x), classes);
  return net;
}

/// Trained parameters with a classifier of 1000 classes.
int64_t parameters_with_classifier(const std::string& block, const Json& settings, const Shape& shape) {
  return cost(classifier_of(block, settings, shape, 1000)).parameters;
}

HeadOutput head_of(const std::string& head, Network& net, const Json& settings, const Shape& shape,
                   const Target& target) {
  const Plugin plugin = open_plugin(head);
  return plugin.heads.at(0).build(net, settings, net.input("x", shape, "float32"), target);
}

size_t count(const Network& net, const std::string& op) {
  size_t n = 0;
  for (const Layer& layer : net.layers()) n += layer.op == op ? 1 : 0;
  return n;
}

}  // namespace

TEST_CASE("efficientnets have the published parameters") {
  const std::map<std::string, int64_t> published = {{"b0", 5288548},  {"b1", 7794184},  {"b2", 9109994},
                                                    {"b3", 12233232}, {"b4", 19341616}, {"b5", 30389784},
                                                    {"b6", 43040704}, {"b7", 66347960}, {"lite0", 4652008},
                                                    {"lite1", 5416680}, {"lite2", 6092072}, {"lite3", 8197096},
                                                    {"lite4", 13006568}};
  for (const auto& [version, parameters] : published) {
    INFO(version);
    CHECK(parameters_with_classifier("efficientnet", {{"version", version}}, {3, 224, 224}) == parameters);
  }
}

TEST_CASE("residual networks have the published parameters") {
  const std::map<int64_t, int64_t> published = {{18, 11689512}, {34, 21797672}, {50, 25557032}};
  for (const auto& [depth, parameters] : published) {
    INFO(depth);
    CHECK(parameters_with_classifier("resnet", {{"depth", depth}}, {3, 224, 224}) == parameters);
    CHECK(parameters_with_classifier("resnet", {{"depth", depth}, {"version", "v2"}}, {3, 224, 224}) != parameters);
  }
}

TEST_CASE("xception has the published parameters") {
  CHECK(parameters_with_classifier("xception", {}, {3, 299, 299}) == 22855952);
}

TEST_CASE("whitened groups have the published parameters and multiply-adds of airbench94") {
  const auto whitened = [](const Json& settings) { return network_of("whitened", settings, {3, 32, 32}); };
  const Network net = whitened({{"widths", {64, 256, 256}}});
  CHECK(last_shape(net) == Shape{256, 3, 3});
  CHECK(cost(net).parameters == 1971640 - 2560 - 288);  // without the classifier; the whitening filters are never trained
  CHECK(static_cast<double>(cost(net).macs) == Approx(118.15e6).epsilon(0.001));
  CHECK(cost(whitened({{"widths", {64, 256, 256}}, {"depth", 3}})).macs > cost(net).macs);
  CHECK(last_shape(whitened({{"widths", {32, 64}}, {"scale", 2.0}})) == Shape{128, 7, 7});
}

TEST_CASE("mobilenets have the published parameters") {
  const auto parameters = [](const char* version, double width) {
    return parameters_with_classifier("mobilenet", {{"version", version}, {"width", width}}, {3, 224, 224});
  };
  CHECK(parameters("v2", 1.0) == 3504872);
  CHECK(parameters("v3_small", 1.0) == 2542856);
  CHECK(parameters("v3_large", 1.0) == 5483032);
  // Published in millions.
  CHECK(static_cast<double>(parameters("v2", 0.5)) / 1e6 == Approx(1.97).epsilon(0.002));
  CHECK(static_cast<double>(parameters("v2", 1.4)) / 1e6 == Approx(6.11).epsilon(0.002));
  CHECK(static_cast<double>(parameters("v3_small", 0.75)) / 1e6 == Approx(2.04).epsilon(0.002));
  CHECK(static_cast<double>(parameters("v3_large", 0.75)) / 1e6 == Approx(3.99).epsilon(0.002));
}

TEST_CASE("mobilenets for small pictures leave out the first halvings") {
  CHECK(last_shape(network_of("mobilenet", {{"version", "v2"}}, {3, 224, 224})) == Shape{1280, 7, 7});
  // arXiv:1801.04381 with CIFAR's strides (github.com/chenyaofo/pytorch-cifar-models): millions of parameters, of operations.
  const std::map<double, std::pair<double, double>> published = {{0.5, {0.70, 28}}, {1.0, {2.24, 88}}, {1.4, {4.33, 170}}};
  for (const auto& [width, sizes] : published) {
    INFO(width);
    const Network net = classifier_of("mobilenet", {{"version", "v2"}, {"width", width}}, {3, 32, 32}, 10);
    CHECK(static_cast<double>(cost(net).parameters) / 1e6 == Approx(sizes.first).epsilon(0.01));
    CHECK(static_cast<double>(cost(net).macs) / 1e6 == Approx(sizes.second).epsilon(0.02));
  }
  const auto extent_before_pooling = [](const Json& settings, const Shape& shape) {
    const Network net = network_of("mobilenet", settings, shape);
    for (size_t i = net.layers().size(); i-- > 0;)
      if (net.layers()[i].shape.size() == 3) return net.layers()[i].shape[1];
    return int64_t{0};
  };
  for (const char* version : {"v2", "v3_small", "v3_large"}) {
    INFO(version);
    CHECK(extent_before_pooling({{"version", version}}, {3, 32, 32}) == 4);
    CHECK(extent_before_pooling({{"version", version}, {"halvings", 5}}, {3, 32, 32}) == 1);
    CHECK(extent_before_pooling({{"version", version}, {"halvings", 2}}, {1, 28, 28}) == 7);
    CHECK(extent_before_pooling({{"version", version}}, {1, 128, 128}) == 4);
  }
}

TEST_CASE("convnexts have the published parameters") {
  const std::map<std::string, int64_t> published = {{"tiny", 28589128}, {"small", 50223688}, {"base", 88591464}};
  for (const auto& [version, parameters] : published) {
    INFO(version);
    CHECK(parameters_with_classifier("convnext", {{"version", version}}, {3, 224, 224}) == parameters);
  }
  const std::map<std::string, double> in_millions = {{"atto", 3.70}, {"femto", 5.22}, {"pico", 9.05}, {"nano", 15.59}};
  for (const auto& [version, millions] : in_millions) {
    INFO(version);
    const auto parameters = static_cast<double>(parameters_with_classifier("convnext", {{"version", version}}, {3, 224, 224}));
    CHECK(parameters / 1e6 == Approx(millions).epsilon(0.002));
  }
}

TEST_CASE("a convnext for small pictures has small patches, and its branches can go without scales") {
  const Network net = network_of("convnext", {{"width", 32}}, {3, 32, 32});
  CHECK(net.layers().at(1).shape == Shape{32, 16, 16});
  CHECK(last_shape(net) == Shape{256});
  CHECK(count(net, "channel_scale") == 12);
  CHECK(count(net, "drop_path") == 11);  // the first branch is never skipped
  CHECK(network_of("convnext", Json::object(), {3, 224, 224}).layers().at(1).shape == Shape{40, 56, 56});
  const Network bare = network_of("convnext", {{"layer_scale", 0.0}, {"drop_path", 0.0}, {"patch", 1}}, {1, 28, 28});
  CHECK(bare.layers().at(1).shape == Shape{40, 28, 28});
  CHECK(count(bare, "channel_scale") + count(bare, "drop_path") == 0);
}

TEST_CASE("multiply-adds are the published ones within a percent") {
  const auto giga = [](const Network& net) { return static_cast<double>(cost(net).macs) / 1e9; };
  CHECK(giga(network_of("resnet", {{"depth", 18}}, {3, 224, 224})) == Approx(1.814).epsilon(0.01));
  CHECK(giga(network_of("resnet", {{"depth", 50}}, {3, 224, 224})) == Approx(4.09).epsilon(0.01));
  CHECK(giga(network_of("efficientnet", {}, {3, 224, 224})) == Approx(0.386).epsilon(0.02));
  CHECK(giga(network_of("mobilenet", {{"version", "v2"}}, {3, 224, 224})) == Approx(0.300).epsilon(0.01));
  CHECK(giga(network_of("mobilenet", {{"version", "v3_large"}}, {3, 224, 224})) == Approx(0.217).epsilon(0.02));
  CHECK(giga(network_of("mobilenet", {{"version", "v3_small"}}, {3, 224, 224})) == Approx(0.056).epsilon(0.03));
  CHECK(giga(network_of("convnext", {{"version", "tiny"}}, {3, 224, 224})) == Approx(4.46).epsilon(0.01));
}

TEST_CASE("residual networks for small pictures keep the extents in the stem and have 6n + 2 layers") {
  for (const int64_t depth : {8, 14, 20, 32, 44, 56}) {
    const Network net = network_of("resnet", {{"depth", depth}}, {3, 32, 32});
    size_t spatial = 0;
    for (const Layer& layer : net.layers()) spatial += layer.op == "conv" && layer.set.at("kernel") == 3 ? 1 : 0;
    CHECK(spatial == static_cast<size_t>(depth) - 1);
    CHECK(last_shape(net) == Shape{64, 8, 8});
  }
  CHECK(last_shape(network_of("resnet", {{"depth", 18}}, {1, 32, 32})) == Shape{512, 4, 4});
  CHECK(last_shape(network_of("resnet", {{"depth", 18}}, {3, 224, 224})) == Shape{512, 7, 7});
  CHECK(last_shape(network_of("resnet", {{"width", 32}, {"version", "v2"}}, {1, 64, 64})) == Shape{128, 16, 16});
}

TEST_CASE("grey and small pictures fit every family") {
  for (const std::string family : {"vanilla", "resnet", "xception", "efficientnet"}) {
    for (const Shape& shape : {Shape{1, 28, 28}, Shape{3, 32, 32}, Shape{1, 128, 128}}) {
      INFO(family << " " << to_string(shape));
      const Network net = network_of("image_block", {{"family", {{family, Json::object()}}}}, shape);
      CHECK(last_shape(net).size() == 3);
      CHECK(net.layers().at(1).op == "normalize");
      CHECK(net.layers().at(2).op == "random_flip");
      CHECK(net.layers().back().from.starts_with(family));
      CHECK(Network::from_json(net.to_json()).to_json() == net.to_json());
    }
  }
  CHECK(last_shape(network_of("efficientnet", {}, {3, 32, 32})) == Shape{1280, 2, 2});
  CHECK(last_shape(network_of("efficientnet", {{"stem_stride", 2}}, {3, 32, 32})) == Shape{1280, 1, 1});
}

TEST_CASE("a plain network doubles its width at each halving") {
  const Network net = network_of("vanilla", {{"width", 16}, {"depth", 4}}, {3, 32, 32});
  CHECK(last_shape(net) == Shape{128, 2, 2});
  CHECK(count(net, "conv") == 8);
  CHECK(count(net, "dropout") == 4);
  const Network strided =
      network_of("vanilla", {{"max_pooling", false}, {"dropout", 0.0}, {"separable", true}}, {3, 32, 32});
  CHECK(last_shape(strided) == Shape{128, 4, 4});
  CHECK(count(strided, "max_pool") == 0);
  CHECK(count(strided, "dropout") == 0);
  CHECK(count(strided, "conv") == 12);
}

TEST_CASE("an image block without its parts is its family on pixels in 0 to 1") {
  const Network net = network_of("image_block", {{"normalize", false}, {"augment", false}}, {3, 32, 32});
  CHECK(net.layers().at(1).op == "scale");
  CHECK(net.layers().at(2).op == "conv");
}

TEST_CASE("given statistics of pixels are of pixels in 0 to 1") {
  const Json given = {{"mean", {0.5, 0.5, 0.5}}, {"std", {0.25, 0.25, 0.25}}};
  CHECK(count(network_of("normalization", given, {3, 32, 32}), "scale") == 1);
  CHECK(count(network_of("normalization", Json::object(), {3, 32, 32}), "scale") == 0);
  Network net;
  build(net, "normalization", given, {net.input("facts", {3}, "float32")});
  CHECK(count(net, "scale") == 0);
}

TEST_CASE("single layers give the shapes that their settings say") {
  CHECK(last_shape(network_of("conv", {{"width", 5}, {"stride", 2}}, {3, 9, 9})) == Shape{5, 5, 5});
  CHECK(last_shape(network_of("pool", {{"kind", "max"}, {"kernel", 3}}, {3, 9, 9})) == Shape{3, 3, 3});
  CHECK(last_shape(network_of("pool", Json::object(), {3, 9, 9})) == Shape{3});
  CHECK(last_shape(network_of("flatten", Json::object(), {3, 9, 9})) == Shape{243});
  CHECK(last_shape(network_of("resize", {{"size", {20, 30}}}, {3, 9, 9})) == Shape{3, 20, 30});
  CHECK(last_shape(network_of("resize", {{"size", {20}}}, {3, 9, 9})) == Shape{3, 20, 20});
  CHECK(network_of("resize", {{"size", {9}}}, {3, 9, 9}).layers().size() == 1);
  CHECK(network_of("resize", {{"size", {9}}, {"start", 0.5}}, {3, 9, 9}).layers().back().op == "growing");
  CHECK(network_of("identity", Json::object(), {3, 9, 9}).layers().size() == 1);
}

TEST_CASE("augmentation turns, resizes and shears at once, and changes colours at once") {
  const Json all = {{"flip", "both"}, {"translate", 0.1}, {"operations", 2}, {"rotate", 0.1}, {"zoom", 0.2}, {"shear", 0.1}, {"brightness", 0.2},
                    {"contrast", 0.2}, {"saturation", 0.2}, {"hue", 0.1}, {"cutout", 0.5}, {"erase", 0.25}};
  const Network views = network_of("augmentation", all, {3, 9, 9});
  std::vector<std::string> operations;
  for (const Layer& layer : views.layers()) operations.push_back(layer.op);
  CHECK(operations == std::vector<std::string>{"input", "random_flip", "random_translate", "random_operations", "random_affine", "random_colour",
                                               "random_erase", "random_erase"});
  for (size_t i = 1; i < views.layers().size(); ++i) CHECK(views.layers()[i].training_only);
  CHECK(views.layers()[6].set.at("most_area") == 0.25);
  CHECK(views.layers()[6].set.at("clipped") == true);
  CHECK(views.layers()[7].set.at("probability") == 0.25);
  CHECK(network_of("augmentation", {{"flip", "none"}}, {3, 9, 9}).layers().size() == 1);
}

TEST_CASE("merge refuses to add what differs and joins channels") {
  Network net;
  const Value a = net.input("front", {3, 8, 8}, "uint8");
  const Value b = net.input("back", {1, 8, 8}, "uint8");
  CHECK(net.shape(build(net, "merge", {{"how", "concat"}}, {a, b})) == Shape{4, 8, 8});
  std::string message;
  try {
    build(net, "merge", {{"how", "add"}}, {a, b});
  } catch (const Error& error) {
    message = error.problems().front().message;
  }
  CHECK(message.ends_with("'back' (1, 8, 8): channels is 1, the first input's is 3"));
}

TEST_CASE("classification asks for one logit of two classes and one each of more") {
  Network net;
  const HeadOutput ten = head_of("classification", net, {{"loss", {{"cross_entropy", {{"label_smoothing", 0.1}}}}}}, {64, 4, 4},
                                 {"label", ColumnKind::class_label, std::vector<std::string>(10, "c")});
  CHECK(net.shape(ten.output) == Shape{10});
  CHECK(ten.loss == Json{{"name", "cross_entropy"}, {"label_smoothing", 0.1}, {"class_weights", "none"}});
  CHECK(ten.decode.at("activation") == "softmax");
  CHECK(ten.metrics == std::vector<std::string>{"accuracy"});
  const HeadOutput two = head_of("classification", net, {}, {64}, {"gender", ColumnKind::class_label, {"f", "m"}});
  CHECK(net.shape(two.output) == Shape{1});
  CHECK(two.loss.at("name") == "cross_entropy");
  CHECK(two.decode == Json{{"kind", "class"}, {"activation", "sigmoid"}, {"names", {"f", "m"}}});
  const HeadOutput tags = head_of("classification", net, {{"pooling", "flatten"}}, {2, 4, 4},
                                  {"tags", ColumnKind::class_labels, {"a", "b", "c"}});
  CHECK(net.shape(tags.output) == Shape{3});
  CHECK(tags.decode.at("kind") == "classes");
  CHECK_THROWS_AS(head_of("classification", net, {}, {64}, {"label", ColumnKind::class_label, {"only"}}), Error);
}

TEST_CASE("regression gives a number for each value of the target") {
  Network net;
  const HeadOutput age =
      head_of("regression", net, {{"loss", {{"huber", {{"delta", 0.5}}}}}, {"dropout", 0.5}}, {64, 4, 4}, {"age", ColumnKind::number, {}});
  CHECK(net.shape(age.output) == Shape{1});
  CHECK(age.loss == Json{{"name", "huber"}, {"delta", 0.5}});
  CHECK(age.decode == Json{{"kind", "number"}});
  CHECK(count(net, "dropout") == 1);
  const HeadOutput place = head_of("regression", net, {}, {64}, {"place", ColumnKind::numbers, {"x", "y"}});
  CHECK(net.shape(place.output) == Shape{2});
}

TEST_CASE("regression reads numbers from bins or from levels") {
  Network net;
  const HeadOutput bins = head_of("regression", net, {{"loss", {{"bins", {{"bins", 40}}}}}}, {64}, {"place", ColumnKind::numbers, {"x", "y"}});
  CHECK(net.shape(bins.output) == Shape{80});
  CHECK(bins.decode == Json{{"kind", "numbers"}, {"activation", "softmax"}, {"bins", 40}, {"names", {"x", "y"}}});
  CHECK(bins.loss == Json{{"name", "bins"}, {"bins", 40}, {"spread", 0.125}, {"expectation", 1.0}});
  const HeadOutput levels = head_of("regression", net, {{"loss", {{"ordinal", {{"bins", 40}}}}}}, {64}, {"place", ColumnKind::numbers, {"x", "y"}});
  CHECK(net.shape(levels.output) == Shape{78});
  CHECK(levels.decode.at("activation") == "sigmoid");
  // One vector of weights a number and a bias a step (arXiv:1901.07884).
  const Layer& thresholds = net.layers().back();
  const Layer& rank = net.layers().at(static_cast<size_t>(thresholds.in.at(0)));
  CHECK(thresholds.weights.at(0).shape == Shape{2, 39});
  CHECK(rank.weights.size() == 1);
  CHECK(rank.weights.at(0).shape == Shape{2, 64});
  CHECK_THROWS_AS(head_of("regression", net, {{"loss", {{"focal", Json::object()}}}}, {64}, {"age", ColumnKind::number, {}}), Error);
}

TEST_CASE("every setting is documented and its default is legal") {
  for (const std::string name :
       {"dense", "vanilla", "resnet", "xception", "efficientnet", "mobilenet", "convnext", "whitened", "conv", "pool", "flatten", "merge", "identity",
        "resize", "normalization", "augmentation", "image_block", "classification", "regression"}) {
    const Plugin plugin = open_plugin(name);
    REQUIRE(plugin.blocks.size() + plugin.heads.size() == 1);
    const Declaration& declaration = plugin.blocks.empty() ? plugin.heads[0].declaration : plugin.blocks[0].declaration;
    CHECK((plugin.blocks.empty() ? plugin.heads[0].name : plugin.blocks[0].name) == name);
    for (const SettingType& setting : declaration) {
      INFO(name << "." << setting.name);
      CHECK_FALSE(setting.doc.empty());
      if (setting.type == Type::word) {
        const auto& legal_words = setting.domain.choices;
        CHECK(std::find(legal_words.begin(), legal_words.end(), setting.fallback) != legal_words.end());
      }
    }
  }
}
