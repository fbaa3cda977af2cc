#include "espalier/network.h"

#include "espalier/error.h"
#include "espalier/network/analysis.h"

#include "catch.h"

using namespace espalier;

namespace {

/// The message of the Error that `work` throws, "" if it throws none.
template <class Work>
std::string message_of(const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.problems().front().code + " " + error.problems().front().message;
  }
  return "";
}

Network small_network() {
  Network net;
  Value x = net.input("image", {3, 32, 32}, "uint8");
  {
    const auto trunk = net.part("trunk");
    x = net.scale(x, 1.0 / 255.0);
    const auto stem = net.part("stem");
    x = net.relu(net.batch_norm(net.conv(x, {.filters = 8})));
    Value y = net.dropout(net.conv(x, {.filters = 8, .kernel = 1, .bias = true}), 0.25);
    x = net.add(x, y);
    x = net.multiply(x, net.sigmoid(net.dense(net.global_avg_pool(x), 8)));
    x = net.concat({x, y});
  }
  const auto head = net.part("label");
  x = net.dense(net.global_avg_pool(x), 10);
  net.output({.head = "label",
              .target = "label",
              .layer = x.layer,
              .loss = {{"name", "cross_entropy"}},
              .metrics = {"accuracy"},
              .decode = {{"kind", "class"}}});
  return net;
}

}  // namespace

TEST_CASE("same padding gives the ceiling of extent by stride, valid padding whole windows only") {
  struct Case {
    int64_t extent, kernel, stride, same, valid;
  };
  const auto c = GENERATE(Case{32, 3, 1, 32, 30}, Case{32, 3, 2, 16, 15}, Case{33, 3, 2, 17, 16}, Case{7, 2, 2, 4, 3},
                          Case{224, 7, 2, 112, 109}, Case{5, 5, 1, 5, 1}, Case{5, 5, 3, 2, 1}, Case{9, 1, 4, 3, 3});
  INFO("extent " << c.extent << " kernel " << c.kernel << " stride " << c.stride);
  Network net;
  const Value x = net.input("image", {2, c.extent, c.extent + 1}, "uint8");
  const auto height = [&](Padding padding) {
    return net.shape(net.conv(x, {.filters = 4, .kernel = c.kernel, .stride = c.stride, .padding = padding})).at(1);
  };
  CHECK(height(Padding::same) == c.same);
  CHECK(height(Padding::valid) == c.valid);
  CHECK(net.shape(net.max_pool(x, {c.kernel, c.stride, Padding::same})).at(1) == c.same);
  CHECK(net.shape(net.avg_pool(x, {c.kernel, c.stride, Padding::valid})).at(1) == c.valid);
}

TEST_CASE("a clash of shapes names the part, the operation, the edge and the dimension") {
  Network net;
  const Value image = net.input("image", {3, 32, 32}, "uint8");
  Value a, b;
  {
    const auto part = net.part("left");
    a = net.conv(image, {.filters = 8});
  }
  {
    const auto part = net.part("right");
    b = net.conv(image, {.filters = 8, .stride = 2});
  }
  const auto part = net.part("both");
  CHECK(message_of([&] { net.add(a, b); }) ==
        "E0320 both: add does not fit its input from 'right' (8, 16, 16): height is 16, the first input's is 32");
  CHECK(message_of([&] { net.concat({a, b}); }) ==
        "E0320 both: concat does not fit its input from 'right' (8, 16, 16): height is 16, the first input's is 32");
  CHECK(message_of([&] { net.dense(a, 10); }) ==
        "E0320 both: dense does not fit its input from 'left' (8, 32, 32): it takes a vector (features); flatten or "
        "pool before it");
  CHECK(message_of([&] { net.conv(b, {.filters = 4, .kernel = 17, .padding = Padding::valid}); }) ==
        "E0320 both: conv does not fit its input from 'right' (8, 16, 16): height is 16, less than the kernel of 17 "
        "pixels");
  CHECK(message_of([&] { net.conv(a, {.filters = 9, .groups = 8}); }) ==
        "E0320 both: conv does not fit its input from 'left' (8, 32, 32): 9 filters are not divisible into 8 groups");
  CHECK(
      message_of([&] { net.normalize(image, {0.5}, {0.5}); }) ==
      "E0320 both: normalize does not fit its input from 'image' (3, 32, 32): channels is 3, but mean lists 1 values");
  CHECK(net.layers().size() == 3);
}

TEST_CASE("unknown operations and settings are refused with the nearest name") {
  Network net;
  const Value x = net.input("image", {3, 8, 8}, "uint8");
  CHECK(message_of([&] { net.emit("convv", {x}, {}); }) == "E0321 there is no operation 'convv'");
  CHECK(message_of([&] { net.emit("conv", {x}, {{"filters", 4}, {"kernle", 3}}); }) ==
        "E0321 the network: operation conv has no setting 'kernle'");
  CHECK(message_of([&] { net.emit("conv", {x}, {}); }) == "E0321 the network: operation conv needs 'filters'");
  CHECK(message_of([&] {
          net.emit("conv", {x}, {{"filters", "four"}});
        }).starts_with("E0321 the network: conv has an ill-typed"));
  CHECK(message_of([&] { net.activation(x, "rellu"); }).starts_with("E0321 there is no activation 'rellu'"));
}

TEST_CASE("parts nest and end with their scope") {
  Network net;
  {
    const auto trunk = net.part("trunk");
    const auto stage = net.part("stage2");
    CHECK(net.path() == "trunk/stage2");
  }
  CHECK(net.path().empty());
}

TEST_CASE("a slot's block is built in a part of its own") {
  Network net;
  net.set_block_builder([](Network& inner, const std::string& name, const Json& settings, std::vector<Value> in) {
    CHECK(name == "wide");
    return inner.dense(in.at(0), settings.at("units").get<int64_t>());
  });
  const auto part = net.part("trunk");
  const Value y = net.block(Slot{"wide", {{"units", 5}}}, net.input("facts", {3}, "float32"));
  CHECK(net.shape(y) == Shape{5});
  CHECK(net.layers().back().from == "trunk/wide");
  CHECK(net.path() == "trunk");
}

TEST_CASE("parameters, buffers and multiply-adds follow from shapes") {
  Network net;
  Value x = net.input("image", {3, 8, 8}, "uint8");
  x = net.conv(x, {.filters = 6, .stride = 2, .bias = true});
  CHECK(cost(net.layers().back(), net).parameters == 6 * 3 * 9 + 6);
  CHECK(cost(net.layers().back(), net).macs == 6 * 4 * 4 * 3 * 9);
  x = net.batch_norm(x);
  CHECK(cost(net.layers().back(), net).parameters == 12);
  CHECK(cost(net.layers().back(), net).buffers == 12);
  x = net.depthwise_conv(x, 3);
  CHECK(cost(net.layers().back(), net).parameters == 6 * 9);
  CHECK(cost(net.layers().back(), net).macs == 6 * 4 * 4 * 9);
  x = net.dense(net.flatten(x), 10);
  CHECK(cost(net.layers().back(), net).parameters == 96 * 10 + 10);
  CHECK(cost(net).macs == 6 * 16 * 27 + 6 * 16 * 9 + 960);
  CHECK(cost(net).activation_bytes == 4 * (3 * 64 + 3 * 96 + 10));
}

TEST_CASE("what changes nothing emits nothing") {
  Network net;
  const Value x = net.input("image", {3, 8, 8}, "uint8");
  CHECK(net.dropout(x, 0).layer == x.layer);
  CHECK(net.random_flip(x, false, false).layer == x.layer);
  CHECK(net.random_affine(x, {}).layer == x.layer);
  CHECK(net.random_colour(x, {}).layer == x.layer);
  CHECK(net.random_erase(x, {.probability = 0.0}).layer == x.layer);
  CHECK(net.random_operations(x, 0, 9.0).layer == x.layer);
  CHECK(net.concat({x}).layer == x.layer);
  CHECK(net.layers().size() == 1);
}

TEST_CASE("hue and saturation of grey pictures are refused, and what works on features is") {
  const auto why = [](const auto& emit) {
    try {
      emit();
    } catch (const Error& error) {
      return error.problems().front().code + " " + error.problems().front().message;
    }
    return std::string();
  };
  Network net;
  const Value grey = net.input("face", {1, 8, 8}, "uint8");
  const Value rgb = net.scale(net.input("image", {3, 8, 8}, "uint8"), 0.1);
  CHECK(why([&] { net.random_colour(grey, {.hue = 0.1}); }).find("channels is 1, and only pictures of red, green and blue have a hue") !=
        std::string::npos);
  CHECK(why([&] { net.random_colour(grey, {.saturation = 0.1}); }).starts_with("E0320"));
  CHECK(why([&] { net.random_colour(grey, {.brightness = 0.1, .contrast = 0.1}); }).empty());
  CHECK(why([&] { net.random_colour(rgb, {.saturation = 0.1, .hue = 0.1}); }).empty());
  const Value features = net.conv(rgb, {.filters = 3});
  CHECK(why([&] { net.random_colour(features, {.brightness = 0.1}); }).find("it works on pixels, and conv of") != std::string::npos);
  CHECK(why([&] { net.random_operations(net.relu(features), 1, 9.0); }).starts_with("E0320"));
  CHECK(why([&] { net.random_affine(features, {.rotate = 0.1}); }).empty());
  CHECK(why([&] { net.random_erase(rgb, {.fill = "white"}); }).find("fill is 'white'; it is mean, zero or noise") != std::string::npos);
  CHECK(why([&] { net.random_erase(rgb, {.least_area = 0.5, .most_area = 0.4}); }).starts_with("E0320"));
}

TEST_CASE("pictures may grow before what pools, not before what needs one size or others that do not grow") {
  const auto why = [](const auto& emit) {
    try {
      emit();
    } catch (const Error& error) {
      return error.problems().front().message;
    }
    return std::string();
  };
  Network net;
  const Value whole = net.input("image", {3, 32, 32}, "uint8");
  const Value small = net.growing(whole, 0.5, 0.7);
  CHECK(net.shape(small) == Shape{3, 32, 32});
  CHECK(net.layers().back().training_only);
  CHECK(net.growing(whole, 1.0, 0.7).layer == whole.layer);
  const Value features = net.relu(net.conv(small, {.filters = 3}));
  CHECK(why([&] { net.flatten(features); }).find("its pictures grow in training, and it needs one size") != std::string::npos);
  CHECK(why([&] { net.add(features, whole); }).find("do not grow in training, those of the first input do") != std::string::npos);
  CHECK(why([&] { net.add(features, net.random_flip(small, true, false)); }).empty());
  CHECK(why([&] { net.multiply(features, net.sigmoid(net.dense(net.global_avg_pool(features), 3))); }).empty());
  CHECK(why([&] { net.flatten(net.resize(features, 8, 8)); }).empty());
  CHECK(why([&] { net.growing(whole, 0.01, 0.7); }).find("start is 0.01") != std::string::npos);
}

TEST_CASE("a document read back is the same document") {
  const Network net = small_network();
  const Json document = net.to_json();
  CHECK(Network::from_json(document).to_json() == document);
  CHECK(Network::from_json(Json::parse(document.dump())).to_json() == document);
  CHECK(document.at("inputs").at(0) ==
        Json{{"name", "image"}, {"shape", {3, 32, 32}}, {"type", "uint8"}, {"layer", 0}});
  size_t training = 0;
  for (const Json& layer : document.at("layers")) training += layer.value("when", "") == "training" ? 1 : 0;
  CHECK(training == 1);
}

TEST_CASE("a document whose shapes or weights do not follow is refused") {
  const Json good = small_network().to_json();
  Json wrong = good;
  wrong["layers"][2]["shape"][1] = 31;
  CHECK(message_of([&] { Network::from_json(wrong); }) ==
        "E0322 layer 2 (conv, trunk/stem) has shape (8, 31, 32) in the document, but its inputs give (8, 32, 32)");
  wrong = good;
  wrong["layers"][2]["weights"][0]["shape"][0] = 9;
  CHECK(
      message_of([&] { Network::from_json(wrong); }).starts_with("E0322 layer 2 (conv, trunk/stem) has other weights"));
  wrong = good;
  wrong["layers"][3]["in"] = {99};
  CHECK(message_of([&] { Network::from_json(wrong); }).starts_with("E0320"));
  wrong = good;
  wrong["format"] = 2;
  CHECK(message_of([&] { Network::from_json(wrong); }).starts_with("E0322 the network document has format 2"));
  wrong = good;
  wrong.erase("outputs");
  CHECK(message_of([&] { Network::from_json(wrong); }) == "E0322 the network document is malformed");
  wrong = good;
  wrong["outputs"][0]["layer"] = 400;
  CHECK(message_of([&] { Network::from_json(wrong); }).starts_with("E0322 output 'label' names layer 400"));
}

TEST_CASE("the summary is a table with totals") {
  Network net;
  Value x = net.input("image", {1, 28, 28}, "uint8");
  {
    const auto part = net.part("trunk");
    x = net.conv(x, {.filters = 32});
    const Value y = net.relu(net.batch_norm(x));
    x = net.add(x, y);
  }
  const auto part = net.part("label");
  net.dense(net.flatten(x), 10);
  const std::string expected =
      "   layer (operation)   output shape  parameters  inputs\n"
      "-------------------------------------------------------\n"
      "0  image (input)       (1, 28, 28)            0\n"
      "1  trunk (conv)        (32, 28, 28)         288\n"
      "2  trunk (batch_norm)  (32, 28, 28)         128\n"
      "3  trunk (relu)        (32, 28, 28)           0\n"
      "4  trunk (add)         (32, 28, 28)           0  1, 3\n"
      "5  label (flatten)     (25088)                0\n"
      "6  label (dense)       (10)             250,890\n"
      "-------------------------------------------------------\n"
      "parameters     251,306 (981.66 KiB)\n"
      "trained        251,242 (981.41 KiB)\n"
      "not trained    64 (256 B)\n"
      "multiply-adds  476,672 a sample, forward\n"
      "activations    395.10 KiB a sample, in training\n";
  CHECK(summary(net, 80) == expected);
}

TEST_CASE("a narrow summary shortens names from the front and keeps the rest") {
  Network net;
  const auto part = net.part("a_trunk_of_many_parts/stage1/block1");
  net.relu(net.input("image", {1, 28, 28}, "uint8"));
  const std::string text = summary(net, 60);
  CHECK(text.find("...stage1/block1 (relu)  (1, 28, 28)") != std::string::npos);
  CHECK(text.substr(0, text.find("parameters     ")).find("a_trunk_of") == std::string::npos);
}

TEST_CASE("the picture groups layers by part and puts shapes on edges") {
  const std::string source = dot(small_network());
  CHECK(source.find("subgraph cluster_0 {\n  label=\"label\"") != std::string::npos);
  CHECK(source.find("subgraph cluster_1 {\n  label=\"trunk\"") != std::string::npos);
  CHECK(source.find("n0 -> n1 [label=\" (3, 32, 32)\"]") != std::string::npos);
  CHECK(source.find("conv 3x3, 8") != std::string::npos);
  const std::string picture = svg(source);
  CHECK(picture.find("<svg") != std::string::npos);
  CHECK(picture.find("(3, 32, 32)") != std::string::npos);
  CHECK(message_of([] { svg("this is no graph {"); }).starts_with("E0501"));
}
