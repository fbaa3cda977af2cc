#include "espalier/testing/checks.h"

#include "espalier/testing/covering.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier {

namespace {

const std::vector<Shape> kShapes = {{3, 32, 32}, {1, 28, 28}, {16}};

/// As a pipeline does: the path of the block in front of what it says, its slots built by name.
Network new_network(const Registry* registry) {
  Network net;
  if (registry != nullptr)
    net.set_block_builder([registry](Network& n, const std::string& block, const Json& settings, std::vector<Value> inputs) {
      return registry->block(block).build(n, settings, inputs);
    });
  return net;
}

Value add_input(Network& net, const Shape& shape) {
  const bool picture = shape.size() == 3;
  const Value x = net.input("x", shape, picture ? "uint8" : "float32");
  constexpr double kBytes = 255.0;
  return picture ? net.scale(x, 1.0 / kBytes) : x;
}

/// "" if every layer survives its document.
std::string why_not_round(const Network& net) {
  const Json before = net.to_json();
  return Network::from_json(Json::parse(before.dump())).to_json() == before ? "" : "its network changes when it is written and read";
}

/// Builds one configuration on one input. `refused`: an Error that names the block, which is fair for inputs of another
/// kind; `wrong`: a sentence.
struct Outcome {
  bool refused = false;
  std::string wrong;
  std::string reason = {};  ///< of the refusal
};

template <class Build>
Outcome attempt(const std::string& name, const std::string& what, const Registry* registry, const Shape& shape, const Build& build) {
  try {
    Network net = new_network(registry);
    const Value x = add_input(net, shape);
    {
      const Network::Part part = net.part(name);
      build(net, x);
    }
    const std::string why = why_not_round(net);
    return {false, why.empty() ? "" : what + ": " + why};
  } catch (const Error& error) {
    const bool named = std::string(error.what()).find(name) != std::string::npos;
    return {true, named ? "" : fmt::format("{}: the error does not name it: {}", what, error.problems().front().message),
            error.problems().front().message};
  } catch (const std::exception& error) {
    return {true, fmt::format("{}: threw what is no espalier::Error: {}", what, error.what())};
  }
}

}  // namespace

std::vector<std::string> check_block(const Registry& registry, const BlockType& block) {
  std::vector<std::string> wrong;
  const size_t inputs = std::max(block.inputs_min, std::min<size_t>(block.inputs_max, 2));
  for (const Json& settings : pairwise_covering(block.declaration)) {
    bool works = false;
    std::string reason;
    for (const Shape& shape : kShapes) {
      const std::string what = fmt::format("block '{}' with {} on {}", block.name, settings.dump(), to_string(shape));
      const Outcome outcome = attempt(block.name, what, &registry, shape, [&](Network& net, Value x) {
        block.build(net, settings, std::vector<Value>(inputs, x));
      });
      works = works || !outcome.refused;
      if (outcome.refused) reason = outcome.reason;
      if (!outcome.wrong.empty()) wrong.push_back(outcome.wrong);
    }
    if (!works && wrong.empty())
      wrong.push_back(fmt::format("block '{}' with {} builds on no input: {}", block.name, settings.dump(), reason));
  }
  return wrong;
}

std::vector<std::string> check_head(const HeadType& head) {
  std::vector<std::string> wrong;
  for (const ColumnKind kind : head.accepts)
    for (const Json& settings : pairwise_covering(head.declaration))
      for (const std::vector<std::string>& names : {std::vector<std::string>{"a", "b"}, {"a", "b", "c"}}) {
        const bool named = kind != ColumnKind::number;
        const Target target{.column = "target", .kind = kind, .names = named ? names : std::vector<std::string>{}};
        bool works = false;
        for (const Shape& shape : kShapes) {
          const std::string what = fmt::format("head '{}' with {} on {}", head.name, settings.dump(), to_string(shape));
          const Outcome outcome = attempt(head.name, what, nullptr, shape, [&](Network& net, Value x) {
            const HeadOutput out = head.build(net, settings, x, target);
            if (!out.loss.contains("name")) wrong.push_back(what + ": the loss has no name");
            if (out.metrics.empty()) wrong.push_back(what + ": it names no metric");
            if (!out.decode.is_object()) wrong.push_back(what + ": it does not say how to decode");
            net.shape(out.output);
          });
          works = works || !outcome.refused;
          if (!outcome.wrong.empty()) wrong.push_back(outcome.wrong);
        }
        if (!works && wrong.empty()) wrong.push_back(fmt::format("head '{}' with {} builds on no input", head.name, settings.dump()));
      }
  return wrong;
}

}  // namespace espalier
