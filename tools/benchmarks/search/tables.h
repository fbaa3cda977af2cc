#pragma once

#include "task.h"

#include <vector>

namespace espalier::bench {

/// The axes of a table's description and the row that a configuration has in it.
class TableSpace {
 public:
  /// `header`: "radix", "names" and, where the steps are not just numbered, "values".
  explicit TableSpace(const Json& header);
  const Space& space() const { return space_; }
  size_t rows() const { return rows_; }
  size_t row(const Settings& settings) const;

 private:
  Space space_;
  size_t rows_ = 1;
};

/// hpolib_*, hpobench_*, nasbench201_* and nasbench_macro_*: every configuration measured, the objective a mean over its
/// repetitions; and nb201_12ep_*: the same cells after 12 epochs and after 200.
void add_tables(Tasks& tasks, const std::filesystem::path& folder);

}  // namespace espalier::bench
