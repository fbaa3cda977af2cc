#include "espalier/pipeline/graph.h"

#include "espalier/pipeline/layer.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>

namespace espalier {

namespace {

std::string with_article(const std::string& noun) { return (noun[0] == 'i' ? "an " : "a ") + noun; }

/// Texts and whole numbers may be classes, if the pipeline says so.
bool takes_classes_of(const Column& column, const Provided& head) {
  const bool convertible = column.kind == ColumnKind::id || column.kind == ColumnKind::number;
  return convertible && std::ranges::find(head.accepts, ColumnKind::class_label) != head.accepts.end();
}

}  // namespace

bool GraphChecker::is_block(const std::string& node) const { return assignments_.find(node + ".block") != nullptr; }

bool GraphChecker::is_node(const std::string& name) const {
  return std::ranges::find(assignments_.nodes(), name) != assignments_.nodes().end();
}

std::vector<std::string> GraphChecker::block_nodes() const {
  std::vector<std::string> out;
  for (const std::string& node : assignments_.nodes())
    if (is_block(node)) out.push_back(node);
  return out;
}

Place GraphChecker::place_of(const std::string& node) const {
  const Leaf* leaf = assignments_.find(node);
  return leaf != nullptr ? leaf->value.place : Place{};
}

void GraphChecker::run(bool columns_known) {
  columns_known_ = columns_known;
  bool any_head = false;
  for (const std::string& node : assignments_.nodes()) {
    read_inputs(node);
    if (is_block(node) && pipeline_.sketch.find(node) != nullptr)
      problems_.add("E0308", fmt::format("'{}' is a column, so no block is called that; rename the node", node), place_of(node));
    if (is_block(node)) check_count(node);
    else any_head = true;
    if (!is_block(node) && assignments_.find(node + ".head") != nullptr) check_head(node);
  }
  if (!any_head)
    problems_.add("E0311", "the graph has no head: nothing is predicted", {}, "",
                  {"add one: label: {head: classification, from: NODE}", fmt::format("heads: {}", join(catalogue_.names("head")))});
  check_sample_weight();
  find_order();
  // A misspelt input may well be the node that seems to lead nowhere.
  if (any_head && all_inputs_known_) find_loose_ends();
}

void GraphChecker::read_inputs(const std::string& node) {
  const Leaf* leaf = assignments_.find(node + ".from");
  pipeline_.origins[node + ".from"] = {leaf != nullptr ? leaf->origin : "default"};
  if (leaf == nullptr) {
    problems_.add("E0306", fmt::format("'{}' has no 'from': it says which node or column comes in", node), place_of(node));
    return;
  }
  Inputs& inputs = inputs_[node];
  if (leaf->value.is_scalar()) inputs.emplace_back(leaf->value.text, leaf->value.place);
  for (const Tree& item : leaf->value.items) {
    if (item.is_scalar()) inputs.emplace_back(item.text, item.place);
    else problems_.add("E0202", fmt::format("{}.from takes names of nodes and columns", node), item.place);
  }
  if (inputs.empty()) problems_.add("E0306", fmt::format("{}.from takes names of nodes and columns", node), leaf->value.place);
  Json& out = pipeline_.resolved["graph"][node]["from"];
  out = Json::array();
  for (const auto& [input, place] : inputs) {
    out.push_back(input);
    check_input(node, input, place);
  }
}

void GraphChecker::check_input(const std::string& node, const std::string& input, const Place& place) {
  const bool column = pipeline_.sketch.find(input) != nullptr;
  if (is_node(input) && !is_block(input) && !column) {
    problems_.add("E0307", fmt::format("'{}' is a head, and nothing comes out of a head; '{}' takes nodes and columns", input, node), place);
    return;
  }
  if (column && !is_node(input)) use_column(input);
  if (column || is_node(input)) return;
  all_inputs_known_ = false;
  if (!columns_known_) return;
  std::vector<std::string> nodes = block_nodes();
  std::vector<std::string> columns;
  for (const Column& c : pipeline_.sketch.columns) columns.push_back(c.name);
  std::vector<std::string> all = nodes;
  all.insert(all.end(), columns.begin(), columns.end());
  const std::string near = nearest(input, all);
  problems_.add("E0303", fmt::format("'{}' is neither a node nor a column", input), place,
                near.empty() ? "" : fmt::format("did you mean '{}'?", near),
                {fmt::format("nodes: {}; columns: {}", join(nodes), join(columns))});
}

void GraphChecker::use_column(const std::string& column) {
  const auto add = [&](std::vector<std::string>& used) {
    const auto at = std::ranges::lower_bound(used, column);
    if (at == used.end() || *at != column) used.insert(at, column);
  };
  add(pipeline_.data.used);
  if (!pipeline_.data.images) pipeline_.data.images.emplace();
  const Column* about = pipeline_.sketch.find(column);
  if (about != nullptr && about->kind == ColumnKind::image) add(*pipeline_.data.images);
}

void GraphChecker::check_count(const std::string& node) {
  const Inputs& inputs = inputs_[node];
  if (inputs.empty()) return;
  for (const auto& [name, place] : selection_of(assignments_.find(node + ".block")->value).names) {
    const Provided* provided = catalogue_.registry().find(PluginKind::block, name);
    if (provided == nullptr || (inputs.size() >= provided->inputs_min && inputs.size() <= provided->inputs_max)) continue;
    std::vector<std::string> written;
    for (const auto& [input, where] : inputs) written.push_back(input);
    const std::string wanted = provided->inputs_max == 1 ? "one input" : fmt::format("at least {} inputs", provided->inputs_min);
    problems_.add("E0310", fmt::format("{} takes {}, not {} ({}){}", name, wanted, inputs.size(), join(written),
                                       provided->inputs_max == 1 ? fmt::format("; put {{block: merge, from: [{}]}} before it", join(written)) : ""),
                  assignments_.find(node + ".from")->value.place);
  }
}

void GraphChecker::check_head(const std::string& node) {
  if (inputs_[node].size() > 1)
    problems_.add("E0310", fmt::format("a head takes one input, not {}; merge them by {{block: merge}}", inputs_[node].size()),
                  assignments_.find(node + ".from")->value.place);
  Json& resolved = pipeline_.resolved["graph"][node];
  if (!resolved.contains("target") || !resolved["target"].is_string()) resolved["target"] = node;
  if (!columns_known_) return;
  const std::string target = resolved["target"].get<std::string>();
  const Leaf* written = assignments_.find(node + ".target");
  const Place at = written != nullptr ? written->value.place : place_of(node);
  const Column* column = pipeline_.sketch.find(target);
  if (column == nullptr) {
    std::vector<std::string> columns;
    for (const Column& c : pipeline_.sketch.columns) columns.push_back(c.name);
    const std::string near = nearest(target, columns);
    problems_.add("E0313", fmt::format("there is no column '{}' to predict", target), at, near.empty() ? "" : fmt::format("did you mean '{}'?", near),
                  {"columns: " + join(columns), "call the head as its column, or write 'target: COLUMN'"});
    return;
  }
  use_column(target);
  const Leaf* head = assignments_.find(node + ".head");
  for (const auto& [name, place] : selection_of(head->value).names) {
    const Provided* provided = catalogue_.registry().find(PluginKind::head, name);
    if (provided == nullptr || std::ranges::find(provided->accepts, column->kind) != provided->accepts.end()) continue;
    std::vector<std::string> kinds;
    for (const ColumnKind kind : provided->accepts) kinds.push_back(to_string(kind));
    std::vector<std::string> fitting;
    for (const Provided& other : catalogue_.registry().provided())
      if (other.kind == PluginKind::head && std::ranges::find(other.accepts, column->kind) != other.accepts.end()) fitting.push_back(other.name);
    problems_.add(
        "E0312",
        fmt::format("'{}' is {} column, {} needs {} column; heads for {}: {}", target, with_article(to_string(column->kind)), name,
                    kinds.empty() ? "another" : with_article(join(kinds, " or ")), to_string(column->kind), fitting.empty() ? "none" : join(fitting)),
        place, takes_classes_of(*column, *provided) ? fmt::format("to take its values for classes: data: {{columns: {{{}: class}}}}", target) : "");
  }
}

void GraphChecker::check_sample_weight() {
  const std::string name = pipeline_.resolved["train"].value("sample_weight", std::string("none"));
  if (name == "none" || !columns_known_) return;
  const Place at = assignments_.find("train.sample_weight")->value.place;
  const Column* column = pipeline_.sketch.find(name);
  if (column != nullptr && column->kind == ColumnKind::number) return use_column(name);
  std::vector<std::string> numbers;
  for (const Column& c : pipeline_.sketch.columns)
    if (c.kind == ColumnKind::number) numbers.push_back(c.name);
  const std::string near = nearest(name, numbers);
  const std::string what = column == nullptr ? fmt::format("there is no column '{}' to weight samples by", name)
                                             : fmt::format("'{}' is {} column, and weights of samples are a number column", name,
                                                           with_article(to_string(column->kind)));
  problems_.add(column == nullptr ? "E0313" : "E0312", what, at, near.empty() ? "" : fmt::format("did you mean '{}'?", near),
                {numbers.empty() ? "no column holds numbers" : "number columns: " + join(numbers)});
}

void GraphChecker::find_order() {
  std::map<std::string, int> state;  // 1: on the way, 2: done
  std::vector<std::string> way;
  const std::function<void(const std::string&)> visit = [&](const std::string& node) {
    if (state[node] == 2) return;
    if (state[node] == 1) {
      const auto start = std::ranges::find(way, node);
      std::vector<std::string> cycle(start, way.end());
      std::ranges::reverse(cycle);  // from what is passed on to what takes it
      cycle.insert(cycle.begin(), node);
      problems_.add("E0309", fmt::format("the graph has a cycle: {}", join(cycle, " -> ")), place_of(node));
      return;
    }
    state[node] = 1;
    way.push_back(node);
    for (const auto& [input, place] : inputs_[node])
      if (is_node(input) && is_block(input)) visit(input);
    way.pop_back();
    state[node] = 2;
    pipeline_.order.push_back(node);
  };
  for (const std::string& node : assignments_.nodes()) visit(node);
}

void GraphChecker::find_loose_ends() {
  std::set<std::string> reached;
  const std::function<void(const std::string&)> visit = [&](const std::string& node) {
    if (!reached.insert(node).second) return;
    for (const auto& [input, place] : inputs_[node])
      if (is_node(input)) visit(input);
  };
  for (const std::string& node : assignments_.nodes())
    if (!is_block(node)) visit(node);
  for (const std::string& node : assignments_.nodes())
    if (!reached.contains(node)) problems_.add("E0311", fmt::format("'{}' leads to no head", node), place_of(node),
                                               "name it in a 'from', or take it away");
}

}  // namespace espalier
