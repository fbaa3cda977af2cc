#pragma once

#include "espalier/pipeline/assignments.h"
#include "espalier/pipeline/pipeline.h"
#include "espalier/pipeline/train_schema.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace espalier {

/// Checks the wires of a graph: names, cycles, loose ends, numbers of inputs, what heads take.
class GraphChecker {
 public:
  GraphChecker(const Catalogue& catalogue, const Assignments& assignments, Pipeline& pipeline, Problems& problems)
      : catalogue_(catalogue), assignments_(assignments), pipeline_(pipeline), problems_(problems) {}

  /// Fills `from` of every node in resolved["graph"] and the order. `columns_known`: the data could be sketched.
  void run(bool columns_known);

 private:
  using Inputs = std::vector<std::pair<std::string, Place>>;

  void read_inputs(const std::string& node);
  void check_input(const std::string& node, const std::string& input, const Place& place);
  void check_count(const std::string& node);
  /// Rows without a value there are left out of the splits.
  void use_column(const std::string& column);
  void check_head(const std::string& node);
  void check_sample_weight();
  void find_order();
  void find_loose_ends();
  bool is_block(const std::string& node) const;
  bool is_node(const std::string& name) const;
  std::vector<std::string> block_nodes() const;
  Place place_of(const std::string& node) const;

  const Catalogue& catalogue_;
  const Assignments& assignments_;
  Pipeline& pipeline_;
  Problems& problems_;
  bool columns_known_ = false;
  bool all_inputs_known_ = true;
  std::map<std::string, Inputs> inputs_;
};

}  // namespace espalier
