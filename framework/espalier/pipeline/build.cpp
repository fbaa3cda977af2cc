#include "espalier/pipeline/build.h"

#include "espalier/network/analysis.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace espalier {

namespace {

/// The value of an axis: as proposed, else its first.
Json axis_value(const Pipeline& pipeline, const std::string& path, const Settings& settings) {
  if (const auto found = settings.find(path); found != settings.end()) return found->second;
  for (const Axis& axis : pipeline.space.axes)
    if (axis.name == path) return axis.first;
  fail("E0407", fmt::format("'{}' is not searched", path));
}

/// Follows a path through a resolved value: choices, searched choices and lists on the way.
const Json* follow(const Json* at, const std::string& path) {
  for (size_t start = 0; at != nullptr && start < path.size();) {
    const size_t dot = std::min(path.find('.', start), path.size());
    const std::string key = path.substr(start, dot - start);
    start = dot + 1;
    if (at->is_object() && at->contains("tune") && at->at("tune").is_object()) at = &at->at("tune");
    if (at->is_object() && at->contains("of") && key != "repeat") at = &at->at("of");
    if (at->is_array()) {
      const bool digits = !key.empty() && key.size() < 6 && key.find_first_not_of("0123456789") == std::string::npos;
      at = digits && std::stoul(key) < at->size() ? &at->at(std::stoul(key)) : nullptr;
    } else {
      at = at->is_object() && at->contains(key) ? &at->at(key) : nullptr;
    }
  }
  return at;
}

/// The value that `{same: NAME}` names, with its full path; `trunk.depth` is read as `trunk.resnet.depth`.
std::pair<const Json*, std::string> find_setting(const Pipeline& pipeline, const std::string& name) {
  const size_t dot = name.find('.');
  const std::string top = name.substr(0, dot);
  if (top == "train" && dot != std::string::npos) return {follow(&pipeline.resolved.at("train"), name.substr(dot + 1)), name};
  const Json& graph = pipeline.resolved.at("graph");
  if (!graph.contains(top) || dot == std::string::npos) return {nullptr, name};
  const Json& node = graph.at(top);
  if (const Json* found = follow(&node, name.substr(dot + 1))) return {found, name};
  for (const char* kind : {"block", "head"}) {
    if (!node.contains(kind) || !node.at(kind).is_string()) continue;
    const std::string full = node.at(kind).get<std::string>() + name.substr(dot);
    if (const Json* found = follow(&node, full)) return {found, top + "." + full};
  }
  return {nullptr, name};
}

Shape input_shape(const Column& column) {
  switch (column.kind) {
    case ColumnKind::image: return column.shape;
    case ColumnKind::number: return {1};
    case ColumnKind::numbers:
    case ColumnKind::class_labels: return {std::ssize(column.names)};
    default: return {};
  }
}

Value add_input(Network& net, const Column& column) {
  const Shape shape = input_shape(column);
  if (column.kind == ColumnKind::image)
    require(!shape.empty(), "E0321", fmt::format("the pictures of '{}' vary in size; write data: {{prepare: [{{resize: {{size: [64, 64]}}}}]}}",
                                                 column.name));
  require(!shape.empty(), "E0321", fmt::format("'{}' is a class or an id, which no block takes; use it as a target", column.name));
  return net.input(column.name, shape, column.kind == ColumnKind::image ? "uint8" : "float32");
}

/// The first layer of a part of a node's block, which was emitted from layer `begin` on.
size_t first_layer_of(const Network& net, const std::string& node, size_t begin, const std::string& part) {
  std::vector<std::string> parts;
  for (size_t i = begin; i < net.layers().size(); ++i) {
    const std::string& from = net.layers()[i].from;
    if (is_within(from, node + "/" + part)) return i;
    const std::string first = from == node ? "" : from.substr(node.size() + 1, from.find('/', node.size() + 1) - node.size() - 1);
    if (!first.empty() && (parts.empty() || parts.back() != first)) parts.push_back(first);
  }
  const std::string near = nearest(part, parts);
  throw Error(Problem{.code = "E0218", .message = fmt::format("'{}' has no part '{}' to freeze below", node, part), .where = {},
                      .hint = near.empty() ? "" : fmt::format("did you mean '{}'?", near), .notes = {"parts: " + join(parts)}});
}

/// Freezes what a node emitted since layer `begin`, as its `freeze` says.
void freeze_block(Network& net, const std::string& node, size_t begin, const Json& freeze) {
  if (freeze == false) return;
  const bool parted = freeze.is_object() && freeze.contains("below");
  const size_t end = parted ? first_layer_of(net, node, begin, freeze["below"].get<std::string>()) : net.layers().size();
  net.freeze(begin, end, freeze.is_object() ? freeze.value("until", Layer::never) : Layer::never);
}

/// Emits one node and returns what comes out of it.
Value emit_block(Network& net, const Pipeline& pipeline, const std::string& node, const Settings& settings, const Registry& registry,
                 const std::vector<Value>& inputs) {
  const std::string name = chosen_name(pipeline, node, settings);
  const Json own = settled(pipeline, pipeline.resolved.at("graph").at(node).at(name), node + "." + name, settings);
  const auto part = net.part(node);
  const size_t begin = net.layers().size();
  const Value out = registry.block(name).build(net, own, inputs);
  freeze_block(net, node, begin, settled(pipeline, pipeline.resolved.at("graph").at(node).value("freeze", Json(false)), node + ".freeze", settings));
  return out;
}

void emit_head(Network& net, const Pipeline& pipeline, const std::string& node, const Settings& settings, const Registry& registry, Value x) {
  const Json& resolved = pipeline.resolved.at("graph").at(node);
  const std::string name = chosen_name(pipeline, node, settings);
  const Json own = settled(pipeline, resolved.at(name), node + "." + name, settings);
  const std::string column = resolved.at("target").get<std::string>();
  const Column* found = pipeline.sketch.find(column);
  require(found != nullptr, "E0313", fmt::format("there is no column '{}' to predict", column));
  const auto part = net.part(node);
  HeadOutput out = registry.head(name).build(net, own, x, {.column = column, .kind = found->kind, .names = found->names});
  std::vector<std::string> metrics = std::move(out.metrics);
  for (const Json& metric : settled(pipeline, resolved.value("metrics", Json::array()), node + ".metrics", settings))
    if (std::ranges::find(metrics, metric.get<std::string>()) == metrics.end()) metrics.push_back(metric.get<std::string>());
  const Json weight = settled(pipeline, resolved.value("weight", Json(1.0)), node + ".weight", settings);
  net.output({.head = node, .target = column, .layer = out.output.layer, .loss = std::move(out.loss), .weight = weight.get<double>(),
              .metrics = std::move(metrics), .decode = std::move(out.decode)});
}

}  // namespace

Json settled(const Pipeline& pipeline, const Json& value, const std::string& path, const Settings& settings) {
  if (value.is_array()) {
    Json out = Json::array();
    for (size_t i = 0; i < value.size(); ++i) out.push_back(settled(pipeline, value[i], fmt::format("{}.{}", path, i), settings));
    return out;
  }
  if (!value.is_object()) return value;
  if (value.contains("same")) {
    const auto [target, name] = find_setting(pipeline, value.at("same").get<std::string>());
    require(target != nullptr, "E0404", fmt::format("{} is tied to '{}', which is no setting", path, name));
    return settled(pipeline, *target, name, settings);
  }
  if (const auto tune = value.find("tune"); tune != value.end()) {
    const Json chosen = axis_value(pipeline, path, settings);
    const bool range = tune->is_array() || (tune->contains("from") && tune->at("from").is_number());
    if (range) return chosen;
    const std::string name = chosen.get<std::string>();
    return {{name, settled(pipeline, tune->at(name), path + "." + name, settings)}};
  }
  if (value.contains("repeat") && value.contains("of")) {
    const auto count = settled(pipeline, value.at("repeat"), path + ".repeat", settings).get<size_t>();
    Json out = Json::array();
    for (size_t i = 0; i < count && i < value.at("of").size(); ++i)
      out.push_back(settled(pipeline, value.at("of")[i], fmt::format("{}.{}", path, i), settings));
    return out;
  }
  Json out = Json::object();
  for (const auto& [key, below] : value.items()) out[key] = settled(pipeline, below, path + "." + key, settings);
  return out;
}

std::string chosen_name(const Pipeline& pipeline, const std::string& node, const Settings& settings) {
  const Json& resolved = pipeline.resolved.at("graph").at(node);
  const std::string kind = resolved.contains("block") ? "block" : "head";
  require(resolved.contains(kind), "E0301", fmt::format("node '{}' has neither a block nor a head", node));
  const Json& value = resolved.at(kind);
  return value.is_string() ? value.get<std::string>() : axis_value(pipeline, node + "." + kind, settings).get<std::string>();
}

Network build_network(const Pipeline& pipeline, const Settings& settings, const Registry& registry, const OnNodeError& on_error) {
  Network net;
  net.set_block_builder([&registry](Network& inner, const std::string& block, const Json& own, std::vector<Value> inputs) {
    return registry.block(block).build(inner, own, inputs);
  });
  std::map<std::string, Value> values;
  std::set<std::string> failed;
  for (const std::string& node : pipeline.order) {
    const Json& resolved = pipeline.resolved.at("graph").at(node);
    try {
      std::vector<Value> inputs;
      for (const Json& name : resolved.value("from", Json::array())) {
        const std::string input = name.get<std::string>();
        if (failed.contains(input)) failed.insert(node);
        if (failed.contains(input) || values.contains(input)) continue;
        const Column* column = pipeline.sketch.find(input);
        require(column != nullptr, "E0303", fmt::format("'{}' is neither a node nor a column", input));
        values[input] = add_input(net, *column);
      }
      if (failed.contains(node)) continue;
      for (const Json& name : resolved.value("from", Json::array())) inputs.push_back(values.at(name.get<std::string>()));
      if (resolved.contains("block")) values[node] = emit_block(net, pipeline, node, settings, registry, inputs);
      else emit_head(net, pipeline, node, settings, registry, inputs.at(0));
    } catch (const Error& error) {
      if (!on_error) throw;
      failed.insert(node);
      on_error(node, error);
    }
  }
  net.set_block_builder({});  // it refers to the registry, which may end before the network does
  return net;
}

Network build_network(const Pipeline& pipeline, const Settings& settings, const Registry& registry) {
  return build_network(pipeline, settings, registry, {});
}

double training_memory(const Network& network, int64_t batch) {
  constexpr double kCopies = 4.0;  // weights, gradients, two moments
  constexpr double kBytes = 4.0;
  constexpr double kProgram = 200.0 * (1 << 20);  // the trainer with LibTorch 2.13, before it has a network
  const Cost total = cost(network);
  // An evaluation keeps what the layer at hand reads and writes.
  int64_t largest = 0;
  for (const Layer& layer : network.layers()) {
    int64_t values = elements(layer.shape);
    for (const int from : layer.in) values += elements(network.shape({from}));
    largest = std::max(largest, values);
  }
  const double training = static_cast<double>(total.activation_bytes) * static_cast<double>(batch);
  const double evaluation = kBytes * static_cast<double>(largest * kEvaluationBatch);
  return kProgram + std::max(training, evaluation) +
         kBytes * (kCopies * static_cast<double>(total.parameters - total.frozen) + static_cast<double>(total.frozen + total.buffers));
}

}  // namespace espalier
