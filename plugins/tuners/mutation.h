#pragma once

#include "drawing.h"

#include <map>

namespace espalier::tuners {

/// The dotted names of the active axes as a tree. Groups that decide together (a block's settings) hang below one node.
class NameTree {
 public:
  NameTree(const Space& space, const Settings& settings) {
    nodes_.push_back({});
    for (const Axis& axis : space.axes)
      if (settings.contains(axis.name)) insert(axis.name);
  }

  /// The axes below one node, which is drawn with a probability of one over the number of its leaves: a single setting is
  /// changed more often than a whole block.
  const std::vector<std::string>& draw_group(Random& random) const {
    double total = 0.0;
    for (const Node& node : nodes_) total += weight(node);
    double left = random.uniform() * total;
    for (const Node& node : nodes_)
      if ((left -= weight(node)) < 0.0) return node.leaves;
    return nodes_.back().leaves;
  }

 private:
  struct Node {
    std::map<std::string, size_t> children = {};
    std::vector<std::string> leaves = {};
  };

  static double weight(const Node& node) { return node.leaves.empty() ? 0.0 : 1.0 / static_cast<double>(node.leaves.size()); }

  void insert(const std::string& name) {
    size_t at = 0;
    nodes_[at].leaves.push_back(name);
    for (size_t from = 0; from != std::string::npos;) {
      const size_t dot = name.find('.', from);
      const std::string part = name.substr(from, dot == std::string::npos ? dot : dot - from);
      from = dot == std::string::npos ? dot : dot + 1;
      const auto [child, is_new] = nodes_[at].children.try_emplace(part, nodes_.size());
      at = child->second;
      if (is_new) nodes_.push_back({});
      nodes_[at].leaves.push_back(name);
    }
  }

  std::vector<Node> nodes_;
};

/// Keeps the best configuration but for one group, which is drawn anew; another group where that gives nothing new.
/// Nothing: no mutation in many gave anything new and feasible.
inline std::optional<Proposal> mutate_best(const Space& space, const History& history, Random& random, const Feasible& feasible) {
  constexpr int kMostGroups = 20;
  constexpr int kMostCollisions = 20;
  const Result* best = best_result(history);
  const Settings base = best != nullptr ? best->settings : first_settings(space);
  const std::string origin = best != nullptr ? "trial " + std::to_string(best->number) : "the first configuration";
  const std::set<std::string> tried = tried_keys(history);
  const NameTree tree(space, base);
  for (int group = 0; group < kMostGroups; ++group) {
    const std::vector<std::string>& changed = tree.draw_group(random);
    Settings kept = base;
    for (const std::string& name : changed) kept.erase(name);
    for (int i = 0; i < kMostCollisions; ++i) {
      Settings settings = complete(space, kept, [&](const Axis& axis) { return draw(axis, random); });
      if (tried.contains(canonical_key(settings)) || !feasible(settings)) continue;
      return Proposal{.settings = std::move(settings), .reason = origin + " with " + join(changed) + " drawn anew"};
    }
  }
  return std::nullopt;
}

}  // namespace espalier::tuners
