#include "espalier/error.h"
#include "espalier/network.h"

#include <fmt/format.h>

namespace espalier {

namespace {

Json to_document(const Weight& weight) {
  return {{"name", weight.name}, {"shape", weight.shape}, {"role", weight.role}, {"init", weight.init}};
}

Json to_document(const Layer& layer) {
  Json out = {{"id", layer.id}, {"op", layer.op}, {"in", layer.in}, {"shape", layer.shape}, {"from", layer.from}};
  if (!layer.set.empty()) out["set"] = layer.set;
  for (const Weight& weight : layer.weights) out["weights"].push_back(to_document(weight));
  if (layer.training_only) out["when"] = "training";
  if (layer.trained_from != 0) out["trained_from"] = layer.trained_from;
  return out;
}

Json to_document(const Output& output) {
  return {{"head", output.head},     {"target", output.target},   {"layer", output.layer},  {"loss", output.loss},
          {"weight", output.weight}, {"metrics", output.metrics}, {"decode", output.decode}};
}

Output read_output(const Json& document, size_t layers) {
  Output out{.head = document.at("head").get<std::string>(),
             .target = document.at("target").get<std::string>(),
             .layer = document.at("layer").get<int>(),
             .loss = document.at("loss"),
             .weight = document.value("weight", 1.0),
             .metrics = document.value("metrics", std::vector<std::string>{}),
             .decode = document.value("decode", Json())};
  require(out.layer >= 0 && static_cast<size_t>(out.layer) < layers, "E0322",
          fmt::format("output '{}' names layer {}, but there are {} layers", out.head, out.layer, layers));
  return out;
}

/// Refuses a layer whose document says something else than the rules of its operation.
void verify(const Layer& layer, const Json& document) {
  const Shape given = document.at("shape").get<Shape>();
  require(layer.shape == given, "E0322",
          fmt::format("layer {} ({}, {}) has shape {} in the document, but its inputs give {}", layer.id, layer.op,
                      layer.from, to_string(given), to_string(layer.shape)));
  require(to_document(layer).value("weights", Json::array()) == document.value("weights", Json::array()), "E0322",
          fmt::format("layer {} ({}, {}) has other weights in the document than its operation", layer.id, layer.op,
                      layer.from));
}

}  // namespace

Json Network::to_json() const {
  Json out = {{"format", 1}, {"inputs", Json::array()}, {"layers", Json::array()}, {"outputs", Json::array()}};
  for (const Layer& layer : layers_) {
    out["layers"].push_back(to_document(layer));
    if (layer.op == "input")
      out["inputs"].push_back({{"name", layer.set.at("name")},
                               {"shape", layer.shape},
                               {"type", layer.set.at("type")},
                               {"layer", layer.id}});
  }
  for (const Output& output : outputs_) out["outputs"].push_back(to_document(output));
  return out;
}

Network Network::from_json(const Json& document) try {
  require(document.at("format") == 1, "E0322",
          fmt::format("the network document has format {}; this version reads 1", document.at("format").dump()));
  Network net;
  for (const Json& item : document.at("layers")) {
    const std::string op = item.at("op").get<std::string>();
    require(item.at("id").get<size_t>() == net.layers_.size(), "E0322",
            fmt::format("layer {} stands at place {}; layers are numbered in order", item.at("id").dump(),
                        net.layers_.size()));
    net.path_ = item.at("from").get<std::string>();
    const Json set = item.value("set", Json::object());
    if (op == "input") {
      net.input(set.at("name").get<std::string>(), item.at("shape").get<Shape>(), set.at("type").get<std::string>());
    } else {
      std::vector<Value> in;
      for (const int source : item.at("in").get<std::vector<int>>()) in.push_back({source});
      net.emit(op, in, set);
    }
    net.layers_.back().trained_from = item.value("trained_from", int64_t{0});
    verify(net.layers_.back(), item);
  }
  net.path_.clear();
  for (const Json& item : document.at("outputs")) net.output(read_output(item, net.layers_.size()));
  return net;
} catch (const Json::exception& error) {
  fail("E0322", "the network document is malformed", error.what());
}

}  // namespace espalier
