#pragma once

#include "espalier/spec/tree.h"

#include <map>
#include <string>
#include <vector>

namespace espalier {

/// One assigned value: as written, and by which layer.
struct Leaf {
  Tree value;
  std::string origin;
};

/// A pipeline as a set of assignments, path to value; later layers win. Paths are those of section 2: `trunk.block`,
/// `trunk.resnet.depth`, `train.optimizer.sgd.momentum`; a node's own path stands for its being there.
class Assignments {
 public:
  /// Sets `path` alone: what is below stays (settings stay with the name they were written for).
  void assign(const std::string& path, Tree value, const std::string& origin);
  /// Sets `path` and drops what is below it.
  void replace(const std::string& path, Tree value, const std::string& origin);
  /// Drops `path` and what is below it; false if there was nothing.
  bool remove(const std::string& path);
  /// Nullptr if nothing is assigned there.
  const Leaf* find(const std::string& path) const;
  Leaf* edit(const std::string& path);
  bool any_below(const std::string& path) const;
  /// The keys right below a path, sorted.
  std::vector<std::string> children(const std::string& path) const;
  /// Copies what is at `from` and below to `to`, where nothing is assigned yet.
  void fill(const std::string& from, const std::string& to);

  const std::map<std::string, Leaf>& all() const { return leaves_; }
  /// Node names in the order in which they were first written.
  const std::vector<std::string>& nodes() const { return nodes_; }
  void add_node(const std::string& name, Tree marker, const std::string& origin);

 private:
  std::map<std::string, Leaf> leaves_;
  std::vector<std::string> nodes_;
};

}  // namespace espalier
