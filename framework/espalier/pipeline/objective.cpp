#include "espalier/pipeline/objective.h"

#include "espalier/network/metrics.h"
#include "espalier/pipeline/measures.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace espalier {

namespace {

constexpr const char* kSumOfLosses = "val_loss";

/// Every metric that an objective may have.
std::vector<std::string> metric_names(const std::vector<Output>& heads) {
  std::vector<std::string> all = {kSumOfLosses};
  for (const Output& head : heads)
    for (const std::string& name : metrics_of(head)) all.push_back(score_name(head.head, heads.size(), "val_", name));
  return all;
}

std::string did_you_mean(const std::string& near) { return near.empty() ? "" : fmt::format("did you mean '{}'?", near); }

Place place_of(const Assignments& assignments, const std::string& path) {
  const Leaf* leaf = assignments.find(path);
  return leaf != nullptr ? leaf->value.place : Place{};
}

void check_metrics(const Output& head, const Assignments& assignments, Problems& problems) {
  for (size_t i = 0; i < head.metrics.size(); ++i) {
    const std::string& name = head.metrics[i];
    if (has_metric(head, name)) continue;
    const std::vector<std::string> known = metrics_of(head);
    problems.add("E0211", fmt::format("'{}' is no metric of '{}'", name, head.head), place_of(assignments, head.head + ".metrics"),
                 did_you_mean(nearest(name, known)), {"metrics: " + join(known)});
  }
}

/// "age" of "age.val_mse", "" of "val_mse".
std::string node_of(const std::string& metric) { return metric.substr(0, metric.find('.') == std::string::npos ? 0 : metric.find('.')); }

/// True if a name has the form of a metric that is searched for, of a node that is there, or is a measure.
bool check_name(const Tree& tree, const std::vector<std::string>& nodes, Problems& problems) {
  const std::string& metric = tree.text;
  const std::string node = node_of(metric);
  const std::string name = node.empty() ? metric : metric.substr(node.size() + 1);
  if (find_measure(metric) != nullptr) return true;
  if (name.starts_with("test_")) {
    problems.add("E0211", fmt::format("'{}' cannot be searched for: the test split is looked at once, at the end", metric), tree.place);
  } else if (!name.starts_with("val_")) {
    const std::string near = nearest(metric, measure_names());
    problems.add("E0211", fmt::format("'{}' is no metric; a metric is val_NAME or NODE.val_NAME", metric), tree.place,
                 did_you_mean(near.empty() ? "val_" + name : near), {"measures: " + join(measure_names())});
  } else if (!node.empty() && std::ranges::find(nodes, node) == nodes.end()) {
    problems.add("E0211", fmt::format("'{}' is no node", node), tree.place, did_you_mean(nearest(node, nodes)));
  } else {
    return true;
  }
  return false;
}

std::optional<Objective> read_objective(const Tree& tree, const std::vector<std::string>& nodes, Problems& problems) {
  const bool is_one = tree.is_map() && tree.members.size() == 1 && tree.members[0].value.is_scalar() &&
                      (tree.members[0].key == "maximize" || tree.members[0].key == "minimize");
  if (!is_one) {
    problems.add("E0205", "search.objective takes {maximize: METRIC}, {minimize: METRIC} or a list of them", tree.place);
    return std::nullopt;
  }
  const Member& member = tree.members[0];
  if (!check_name(member.value, nodes, problems)) return std::nullopt;
  return Objective{.metric = member.value.text, .maximize = member.key == "maximize"};
}

/// Where the objectives of a pipeline stand, in order; one that it does not give stands nowhere.
std::vector<Place> places_of(const Leaf* leaf) {
  if (leaf == nullptr) return {Place{}};
  const auto place = [](const Tree& tree) { return tree.members.empty() ? tree.place : tree.members[0].value.place; };
  if (!leaf->value.is_list()) return {place(leaf->value)};
  std::vector<Place> out;
  for (const Tree& item : leaf->value.items) out.push_back(place(item));
  return out;
}

/// Finds the head that an objective is a score of; false if there is no such one or its other direction is better.
bool settle(Objective& objective, const std::vector<Output>& heads, const Place& at, Problems& problems) {
  const std::string bare = bare_metric(objective.metric);
  const std::string node = node_of(objective.metric);
  const bool is_of_all = objective.metric == kSumOfLosses || find_measure(objective.metric) != nullptr;
  std::vector<std::string> owners;
  for (const Output& head : heads)
    if (!is_of_all && (node.empty() || node == head.head) && has_metric(head, bare)) owners.push_back(head.head);
  if (!is_of_all && owners.empty()) {
    const std::vector<std::string> known = metric_names(heads);
    problems.add("E0211", fmt::format("'{}' is no metric of this pipeline", objective.metric), at, did_you_mean(nearest(objective.metric, known)),
                 {"metrics: " + join(known)});
    return false;
  }
  if (owners.size() > 1) {
    problems.add("E0211", fmt::format("several heads have '{}'; write {}.{}", objective.metric, owners.front(), objective.metric), at, "",
                 {"heads: " + join(owners)});
    return false;
  }
  if (objective.maximize != is_maximized(objective.metric)) {
    problems.add("E0211", fmt::format("{} of '{}' is better; write {{{}: {}}}", objective.maximize ? "less" : "more", objective.metric,
                                      objective.maximize ? "minimize" : "maximize", objective.metric), at);
    return false;
  }
  if (!owners.empty()) objective.metric = score_name(owners.front(), heads.size(), "val_", bare);
  return true;
}

Json to_json(const Objective& objective) { return {{"metric", objective.metric}, {"maximize", objective.maximize}}; }

}  // namespace

std::string default_objective(const std::vector<Output>& heads) {
  const bool single = heads.size() == 1 && !heads.front().metrics.empty();
  return single ? "val_" + heads.front().metrics.front() : kSumOfLosses;
}

std::vector<Objective> read_objectives(const Tree& tree, const std::vector<std::string>& nodes, Problems& problems) {
  std::vector<Objective> out;
  const auto read = [&](const Tree& item) {
    if (const auto objective = read_objective(item, nodes, problems)) out.push_back(*objective);
  };
  if (!tree.is_list()) read(tree);
  else if (tree.items.empty())
    problems.add("E0205", "search.objective has an empty list; give one objective or several, or leave it out", tree.place);
  for (const Tree& item : tree.items) read(item);
  return out;
}

void settle_objectives(Pipeline& pipeline, const std::vector<Output>& heads, const Assignments& assignments, Problems& problems) {
  for (const Output& head : heads) check_metrics(head, assignments, problems);
  std::vector<Objective>& objectives = pipeline.search.objectives;
  const std::vector<Place> places = places_of(assignments.find("search.objective"));
  // Fewer than were written: what could not be read has been told.
  if (places.size() != objectives.size()) return;
  for (size_t i = 0; i < objectives.size(); ++i) {
    if (!settle(objectives[i], heads, places[i], problems)) continue;
    const auto before = std::ranges::find(objectives, objectives[i].metric, &Objective::metric) - objectives.begin();
    if (const Place& first = places[static_cast<size_t>(before)]; static_cast<size_t>(before) < i)
      problems.add("E0211", fmt::format("'{}' is an objective twice; first at {}:{}", objectives[i].metric, first.line, first.column), places[i]);
  }
  if (find_measure(objectives.front().metric) != nullptr)
    problems.add("E0211", fmt::format("'{}' is known before a training and cannot be the first objective, which trainings stop and are kept by",
                                      objectives.front().metric), places.front(), "let a metric come first");
  pipeline.resolved["search"]["objective"] = written(objectives);
}

Json written(const std::vector<Objective>& objectives) {
  Json out = Json::array();
  for (const Objective& objective : objectives) out.push_back(Json{{objective.maximize ? "maximize" : "minimize", objective.metric}});
  return out.size() == 1 ? out[0] : out;
}

Json objectives_to_json(const std::vector<Objective>& objectives) {
  Json out = to_json(objectives.front());
  for (size_t i = 1; i < objectives.size(); ++i) out["others"].push_back(to_json(objectives[i]));
  return out;
}

std::vector<Objective> objectives_from_json(const Json& document) {
  const auto read = [](const Json& one) { return Objective{.metric = one.value("metric", ""), .maximize = one.value("maximize", true)}; };
  std::vector<Objective> out = {read(document)};
  for (const Json& other : document.value("others", Json::array())) out.push_back(read(other));
  return out;
}

}  // namespace espalier
