#include "espalier/pipeline/objective.h"

#include "espalier/network/metrics.h"

#include <fmt/format.h>

#include <algorithm>

namespace espalier {

namespace {

constexpr const char* kSumOfLosses = "val_loss";

/// Every name that an objective may have.
std::vector<std::string> objectives(const std::vector<Output>& heads) {
  std::vector<std::string> all = {kSumOfLosses};
  for (const Output& head : heads)
    for (const std::string& name : metrics_of(head)) all.push_back(score_name(head.head, heads.size(), "val_", name));
  return all;
}

Place place_of(const Assignments& assignments, const std::string& path) {
  const Leaf* leaf = assignments.find(path);
  return leaf != nullptr ? leaf->value.place : Place{};
}

void check_metrics(const Output& head, const Assignments& assignments, Problems& problems) {
  for (size_t i = 0; i < head.metrics.size(); ++i) {
    const std::string& name = head.metrics[i];
    if (has_metric(head, name)) continue;
    const std::vector<std::string> known = metrics_of(head);
    const std::string near = nearest(name, known);
    problems.add("E0211", fmt::format("'{}' is no metric of '{}'", name, head.head), place_of(assignments, head.head + ".metrics"),
                 near.empty() ? "" : fmt::format("did you mean '{}'?", near), {"metrics: " + join(known)});
  }
}

}  // namespace

std::string default_objective(const std::vector<Output>& heads) {
  const bool single = heads.size() == 1 && !heads.front().metrics.empty();
  return single ? "val_" + heads.front().metrics.front() : kSumOfLosses;
}

void settle_objective(Pipeline& pipeline, const std::vector<Output>& heads, const Assignments& assignments, Problems& problems) {
  for (const Output& head : heads) check_metrics(head, assignments, problems);
  Objective& objective = pipeline.search.objective;
  const Leaf* leaf = assignments.find("search.objective");
  const Place at = leaf == nullptr ? Place{} : leaf->value.members.empty() ? leaf->value.place : leaf->value.members[0].value.place;
  const std::string bare = bare_metric(objective.metric);
  const std::string node = objective.metric.substr(0, objective.metric.find('.') == std::string::npos ? 0 : objective.metric.find('.'));
  std::vector<std::string> owners;
  for (const Output& head : heads)
    if ((node.empty() || node == head.head) && has_metric(head, bare)) owners.push_back(head.head);
  if (objective.metric != kSumOfLosses && owners.empty()) {
    const std::vector<std::string> known = objectives(heads);
    const std::string near = nearest(objective.metric, known);
    problems.add("E0211", fmt::format("'{}' is no metric of this pipeline", objective.metric), at,
                 near.empty() ? "" : fmt::format("did you mean '{}'?", near), {"metrics: " + join(known)});
    return;
  }
  if (owners.size() > 1) {
    problems.add("E0211", fmt::format("several heads have '{}'; write {}.{}", objective.metric, owners.front(), objective.metric), at, "",
                 {"heads: " + join(owners)});
    return;
  }
  if (objective.maximize != is_maximized(objective.metric)) {
    problems.add("E0211", fmt::format("{} of '{}' is better; write {{{}: {}}}", objective.maximize ? "less" : "more", objective.metric,
                                      objective.maximize ? "minimize" : "maximize", objective.metric), at);
    return;
  }
  if (!owners.empty()) objective.metric = score_name(owners.front(), heads.size(), "val_", bare);
  pipeline.resolved["search"]["objective"] = {{objective.maximize ? "maximize" : "minimize", objective.metric}};
}

}  // namespace espalier
