#include "espalier/network/analysis.h"
#include "espalier/pipeline/build.h"
#include "espalier/pipeline/graph.h"
#include "espalier/pipeline/layer.h"
#include "espalier/pipeline/layers.h"
#include "espalier/pipeline/measures.h"
#include "espalier/pipeline/objective.h"
#include "espalier/pipeline/pretrained.h"
#include "espalier/pipeline/resolve.h"
#include "espalier/pipeline/sections.h"
#include "espalier/spec/expression.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier {

namespace {

/// Columns and shapes, or the reason why they are unknown.
bool sketch(Pipeline& pipeline, const Assignments& assignments, const Registry& registry, Problems& problems) {
  const Leaf* source = assignments.find("data.dataset");
  if (source == nullptr) source = assignments.find("data.reader");
  if (source == nullptr) return false;
  try {
    pipeline.sketch = sketch_data(pipeline.data, readers_of(registry));
    return true;
  } catch (const Error& error) {
    for (Problem problem : error.problems()) {
      if (problem.where.line == 0) problem.where = source->value.place.position();
      problems.add(std::move(problem));
    }
    return false;
  }
}

/// A group of weights that holds none would change nothing unseen. Parts that a choice may bring are left to the trials.
void check_groups(const Pipeline& pipeline, const Network& network, const Assignments& assignments, Problems& problems) {
  std::vector<std::string> parts;
  for (const Layer& layer : network.layers())
    for (const Weight& weight : layer.weights)
      if (weight.role != "buffer" && (parts.empty() || parts.back() != layer.from)) parts.push_back(layer.from);
  const Json groups = pipeline.resolved.at("train").value("groups", Json::object());
  for (const auto& [name, group] : groups.items()) {
    const auto holds = [&, &group = group](const Layer& layer) {
      return std::ranges::any_of(layer.weights,
                                 [&](const Weight& weight) { return weight.role != "buffer" && in_group(layer.from, weight.role, group); });
    };
    if (std::ranges::any_of(network.layers(), holds)) continue;
    const std::string part = group.at("part").get<std::string>();
    const std::string node = part.substr(0, part.find('/'));
    const bool searched = std::ranges::any_of(pipeline.space.axes, [&](const Axis& axis) { return axis.name.starts_with(node + "."); });
    if (searched && pipeline.resolved.at("graph").contains(node)) continue;
    const Leaf* leaf = assignments.find(fmt::format("train.groups.{}.{}", name, part.empty() ? "role.0" : "part"));
    const std::string near = nearest(part, parts);
    problems.add("E0210", fmt::format("no trained weight is in group '{}'", name), leaf != nullptr ? leaf->value.place : Place{},
                 near.empty() || near == part ? "" : fmt::format("did you mean '{}'?", near), {"parts with weights: " + join(parts)});
  }
}

/// Builds the first configuration: clashes of shapes are told at the node that cannot be built. Returns its heads.
std::vector<Output> build_first(Pipeline& pipeline, const Assignments& assignments, const Registry& registry, Problems& problems) {
  const Network network = build_network(pipeline, first_settings(pipeline.space), registry, [&](const std::string& node, const Error& error) {
    const bool of_freeze = error.problems().front().code == "E0218";
    const Leaf* at = assignments.find(node + (of_freeze ? ".freeze.below" : ".block"));
    if (at == nullptr) at = assignments.find(node + ".head");
    for (Problem problem : error.problems()) {
      if (at != nullptr && problem.where.line == 0) problem.where = at->value.place.position();
      problems.add(std::move(problem));
    }
  });
  check_groups(pipeline, network, assignments, problems);
  if (problems.empty())
    find_pretrained(pipeline, first_settings(pipeline.space), network, [&](const std::string& node, Problem problem) {
      const bool of_hash = problem.code == "E0214" && assignments.find(node + ".weights_sha256") != nullptr;
      problem.where = assignments.find(node + (of_hash ? ".weights_sha256" : ".weights"))->value.place.position();
      problems.add(std::move(problem));
    });
  return network.outputs();
}

/// Names in constraints are settings or measures; a bare word beside a comparison may be text.
void check_constraints(const Pipeline& pipeline, const Assignments& assignments, Problems& problems) {
  std::vector<std::string> known = measure_names();
  for (const auto& [path, origin] : pipeline.origins) known.push_back(path);
  for (const Axis& axis : pipeline.space.axes) known.push_back(axis.name);
  const Leaf* leaf = assignments.find("search.constraints");
  const auto is_known = [&](const std::string& name) {
    if (std::ranges::find(known, name) != known.end()) return true;
    const size_t dot = name.find('.');
    const auto fits = [&](const std::string& full) {
      const size_t second = full.find('.', std::min(dot, full.size()) + 1);
      return dot != std::string::npos && second != std::string::npos && full.substr(0, dot) + full.substr(second) == name;
    };
    return std::ranges::any_of(known, fits);
  };
  for (const std::string& text : pipeline.search.constraints) {
    const Expression expression = parse_expression(text);
    const std::vector<std::string> texts = possible_texts(expression);
    for (const std::string& name : names(expression)) {
      if (is_known(name) || (std::ranges::find(texts, name) != texts.end() && name.find('.') == std::string::npos)) continue;
      const std::string near = nearest(name, known);
      problems.add("E0703", fmt::format("'{}' is neither a setting nor a measure", name), leaf != nullptr ? leaf->value.place : Place{},
                   near.empty() ? "" : fmt::format("did you mean '{}'?", near), {"measures: " + join(measure_names())});
    }
  }
}

}  // namespace

FindReader readers_of(const Registry& registry) {
  return [&registry](const std::string& name) -> const ReaderType& { return registry.reader(name); };
}

Pipeline load_pipeline(const PipelineRequest& request, const Registry& registry) {
  Pipeline pipeline;
  pipeline.file = request.file;
  pipeline.name = request.file.stem().string();
  pipeline.text = read_text(request.file);
  pipeline.data.dataset_paths = request.dataset_paths;
  pipeline.data.cache = request.cache;
  pipeline.data.pipeline_folder = request.file.parent_path();
  pipeline.resolved = {{"graph", Json::object()}};

  Problems problems;
  const Catalogue catalogue(registry);
  Assignments assignments;
  if (!read_layers(request, catalogue, assignments, problems)) problems.raise();
  const bool has_data = assignments.any_below("data");
  const bool has_graph = !assignments.nodes().empty();
  // Where a section is there, but no map, that has been told.
  for (const auto& [needed, there] : {std::pair("data", has_data), std::pair("graph", has_graph)})
    if (!there && assignments.find(needed) == nullptr)
      problems.add(Problem{.code = "E0213", .message = fmt::format("the pipeline has no '{}'", needed), .where = {.file = request.file.string()}});

  Resolver resolver(catalogue, assignments, pipeline, problems);
  resolver.run();
  SectionReader sections(catalogue, assignments, pipeline, problems);
  sections.run();
  sections.data();
  const bool columns_known = problems.empty() || !pipeline.data.data.is_null() ? sketch(pipeline, assignments, registry, problems) : false;
  if (has_graph) GraphChecker(catalogue, assignments, pipeline, problems).run(columns_known);
  std::vector<Output> heads;
  if (problems.empty() && columns_known) heads = build_first(pipeline, assignments, registry, problems);
  const bool heads_known = problems.empty() && columns_known;
  sections.search([&] { return default_objective(heads); });
  if (heads_known) settle_objectives(pipeline, heads, assignments, problems);
  check_constraints(pipeline, assignments, problems);
  resolver.note_unused();
  problems.raise();
  return pipeline;
}

}  // namespace espalier
