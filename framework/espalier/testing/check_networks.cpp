#include "espalier/testing/checks.h"

#include "espalier/network/analysis.h"
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

/// Inputs for the engine: small, and such that every block keeps some pixels to its end.
const std::vector<Shape> kSmallShapes = {{3, 16, 16}, {16}};

/// Cheap candidates until a budget is used up.
std::vector<Candidate> affordable(std::vector<Candidate> all) {
  constexpr double kWork = 1e9;
  constexpr size_t kMost = 24;
  if (all.empty()) return all;
  const auto by_work = [](const Candidate& a, const Candidate& b) { return a.work < b.work; };
  std::stable_sort(all.front().work < kWork / 2 ? all.begin() + 1 : all.begin(), all.end(), by_work);
  size_t count = 1;
  for (double sum = all.front().work; count < std::min(kMost, all.size()); ++count) {
    sum += all[count].work;
    if (sum > kWork) break;
  }
  all.resize(count);
  return all;
}

/// Adds a configuration on the first small input that it takes.
void add_candidate(std::vector<Candidate>& all, const std::string& name, const Registry* registry,
                   const std::function<void(Network&, Value)>& build) {
  // Passes of a step over four samples; drawing and moving a parameter costs as much as tens of operations.
  constexpr double kPasses = 60.0;
  for (const Shape& shape : kSmallShapes) {
    try {
      Network net = new_network(registry);
      const Value x = add_input(net, shape);
      build(net, x);
      const Cost of_net = cost(net);
      all.push_back({.name = fmt::format("{} on {}", name, to_string(shape)), .network = net.to_json(),
                     .work = kPasses * (static_cast<double>(of_net.macs) + static_cast<double>(of_net.parameters))});
      return;
    } catch (const Error&) {
      // Refusals are judged where every input is tried.
    }
  }
}

}  // namespace

std::vector<Candidate> candidates(const Registry& registry, const BlockType& block) {
  std::vector<Candidate> all;
  const size_t inputs = std::max(block.inputs_min, std::min<size_t>(block.inputs_max, 2));
  for (const Json& settings : pairwise_covering(block.declaration))
    add_candidate(all, fmt::format("block '{}' with {}", block.name, settings.dump()), &registry, [&](Network& net, Value x) {
      const Network::Part part = net.part(block.name);
      block.build(net, settings, std::vector<Value>(inputs, x));
    });
  return affordable(std::move(all));
}

std::vector<Candidate> candidates(const HeadType& head) {
  std::vector<Candidate> all;
  for (const ColumnKind kind : head.accepts)
    for (const std::vector<std::string>& names : {std::vector<std::string>{"a", "b"}, {"a", "b", "c"}})
      for (const Json& settings : pairwise_covering(head.declaration))
        add_candidate(all, fmt::format("head '{}' with {} of {} {}", head.name, settings.dump(), names.size(), to_string(kind)), nullptr,
                      [&](Network& net, Value x) {
                        const Network::Part part = net.part(head.name);
                        const bool named = kind != ColumnKind::number;
                        const HeadOutput out = head.build(net, settings, x,
                                                          {.column = "target", .kind = kind, .names = named ? names : std::vector<std::string>{}});
                        net.output({.head = "target", .target = "target", .layer = out.output.layer, .loss = out.loss,
                                    .metrics = out.metrics, .decode = out.decode});
                      });
  return affordable(std::move(all));
}

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
