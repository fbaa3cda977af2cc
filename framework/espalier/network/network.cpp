#include "espalier/network.h"

#include "espalier/error.h"
#include "espalier/network/operations.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier {

namespace {

std::string place(const std::string& path) { return path.empty() ? "the network" : path; }

/// The input as an edge: "'trunk/stem' (16, 32, 32)".
std::string edge(const Layer& layer) {
  const std::string from = layer.op == "input" ? layer.set.at("name").get<std::string>() : place(layer.from);
  return fmt::format("'{}' {}", from, to_string(layer.shape));
}

/// Fills in the defaults of the operation's settings and refuses unknown, missing and ill-typed ones.
Json complete_settings(const Operation& operation, Json set, const std::string& path) {
  if (set.is_null()) set = Json::object();
  for (const auto& [key, value] : set.items()) {
    if (operation.settings.contains(key)) continue;
    std::vector<std::string> names;
    for (const auto& [name, fallback] : operation.settings.items()) names.push_back(name);
    const std::string near = nearest(key, names);
    fail("E0321", fmt::format("{}: operation {} has no setting '{}'", place(path), operation.name, key),
         near.empty() ? "" : fmt::format("did you mean '{}'?", near));
  }
  for (const auto& [key, fallback] : operation.settings.items()) {
    if (!set.contains(key)) {
      require(!fallback.is_null(), "E0321",
              fmt::format("{}: operation {} needs '{}'", place(path), operation.name, key));
      set[key] = fallback;
    }
  }
  return set;
}

/// Throws Misfit if this layer gives no pixels, and names the first that stands in the way.
void require_pixels(const std::vector<Layer>& layers, int last) {
  const std::vector<bool> pixels = give_pixels(layers);
  if (pixels[static_cast<size_t>(last)]) return;
  const Layer* culprit = &layers[static_cast<size_t>(last)];
  while (operation(culprit->op).keeps_pixels) culprit = &layers[static_cast<size_t>(culprit->in[0])];
  throw Misfit{0, fmt::format("it works on pixels, and {} of '{}' stands before it; only normalizations, scales, resizes and other "
                              "augmentations may", culprit->op, place(culprit->from))};
}

/// Throws Misfit if the pictures of an input grow and the operation needs one size, or another input's do not grow with them.
void require_size(const std::vector<Layer>& layers, const std::vector<int>& in, const Operation& operation) {
  // Most networks have nothing that grows; then each of their sums need not look at all layers' operations.
  if (std::ranges::none_of(layers, [](const Layer& layer) { return layer.op == "growing"; })) return;
  const std::vector<bool> growing = grow(layers);
  const auto grows = [&](size_t input) { return growing[static_cast<size_t>(in[input])]; };
  for (size_t i = 0; i < in.size(); ++i) {
    if (operation.needs_size && grows(i)) throw Misfit{i, "its pictures grow in training, and it needs one size: pool before it"};
    if (layers[static_cast<size_t>(in[i])].shape.size() == 3 && grows(i) != grows(0))
      throw Misfit{i, fmt::format("its pictures {} in training, those of the first input {}", grows(i) ? "grow" : "do not grow",
                                  grows(0) ? "do" : "do not")};
  }
}

}  // namespace

Network::Network() = default;
Network::~Network() = default;

Network::Part::Part(Network& net, const std::string& name) : net_(net), length_(net.path_.size()) {
  if (!net_.path_.empty()) net_.path_ += '/';
  net_.path_ += name;
}

Network::Part::~Part() { net_.path_.resize(length_); }

Value Network::input(const std::string& name, const Shape& shape, const std::string& type) {
  require(!shape.empty(), "E0320", fmt::format("input '{}' has no shape", name));
  for (const int64_t extent : shape)
    require(extent > 0, "E0320",
            fmt::format("input '{}' has shape {}; every extent is above 0", name, to_string(shape)));
  const int id = static_cast<int>(layers_.size());
  layers_.push_back({.id = id,
                     .op = "input",
                     .in = {},
                     .shape = shape,
                     .from = path_,
                     .set = {{"name", name}, {"type", type}},
                     .weights = {}});
  return {id};
}

Value Network::emit(const std::string& op, const std::vector<Value>& in, Json set) {
  const Operation& entry = operation(op);
  require(entry.shape != nullptr, "E0321", fmt::format("'{}' is declared, not emitted", op));
  require(in.size() >= entry.inputs_min && in.size() <= entry.inputs_max, "E0320",
          fmt::format("{}: {} takes {} input{}, not {}", place(path_), op,
                      entry.inputs_max == SIZE_MAX ? fmt::format("at least {}", entry.inputs_min)
                                                   : std::to_string(entry.inputs_min),
                      entry.inputs_min == 1 ? "" : "s", in.size()));
  Layer layer{.id = static_cast<int>(layers_.size()), .op = op, .from = path_, .training_only = entry.training_only};
  layer.set = complete_settings(entry, std::move(set), path_);
  std::vector<Shape> shapes;
  for (const Value x : in) {
    require(x.layer >= 0 && x.layer < layer.id, "E0320",
            fmt::format("{}: input {} of {} is no layer of this network", place(path_), shapes.size(), op));
    layer.in.push_back(x.layer);
    shapes.push_back(shape(x));
  }
  try {
    layer.shape = entry.shape(shapes, layer.set);
    if (entry.weights != nullptr) layer.weights = entry.weights(shapes, layer.set);
    if (entry.needs_pixels) require_pixels(layers_, layer.in[0]);
    if (entry.needs_size || in.size() > 1) require_size(layers_, layer.in, entry);
  } catch (const Misfit& misfit) {
    const Layer& source = layers_[static_cast<size_t>(layer.in[misfit.input])];
    Problem problem{.code = "E0320",
                    .message = fmt::format("{}: {} does not fit its input from {}: {}", place(path_), op, edge(source),
                                           misfit.text)};
    for (size_t i = 0; i < in.size() && in.size() > 1; ++i)
      problem.notes.push_back(
          fmt::format("input {} comes from {}", i, edge(layers_[static_cast<size_t>(layer.in[i])])));
    throw Error(problem);
  } catch (const Json::exception& error) {
    fail("E0321", fmt::format("{}: {} has an ill-typed setting: {}", place(path_), op, layer.set.dump()), error.what());
  }
  layers_.push_back(std::move(layer));
  return {static_cast<int>(layers_.size()) - 1};
}

void Network::freeze(size_t begin, size_t end, int64_t until) {
  for (size_t i = begin; i < std::min(end, layers_.size()); ++i) layers_[i].trained_from = until;
}

Value Network::block(const Slot& slot, std::vector<Value> inputs) {
  require(static_cast<bool>(builder_), "E0321",
          fmt::format("{}: no blocks are known here, so '{}' cannot be built", place(path_), slot.name));
  const Part scope = part(slot.name);
  return builder_(*this, slot.name, slot.settings, std::move(inputs));
}

}  // namespace espalier
