#pragma once

#include "espalier/data/files.h"
#include "espalier/engine/executor.h"
#include "espalier/json.h"

#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace espalier::engine {

/// Values of the layers at which the frozen part of a network ends, for every row that a trial uses: computed once, kept in a file
/// beside the cache, mapped by every trial that shares them. Files are named by a hash of all that made them: layers, weights
/// and statistics, data, precision, LibTorch and the processor's kernels.
class KeptValues {
 public:
  /// How a part of the values is computed: rows to the values of `layers`, in their order.
  using Compute = std::function<std::vector<at::Tensor>(std::span<const int64_t>, const std::vector<int>& layers)>;

  /// Opens the file, or has it made: one process of several at a time. `where` is {"folder", "quota" (bytes), "always"}.
  /// Nothing: no part is frozen, it costs less than reading, or it takes more room than the quota or the disk has; `say` is
  /// told which. `rows`: ascending, those that `gather` may be asked for.
  static std::optional<KeptValues> open(const Json& where, const Network& net, const Weights& weights, const std::string& origin,
                                        const std::vector<int64_t>& rows, const Compute& compute,
                                        const std::function<void(const std::string&)>& say);

  const std::vector<int>& layers() const { return layers_; }
  /// Adds the values of rows to the inputs, by `value_name`.
  void gather(std::span<const int64_t> rows, Inputs& inputs) const;

 private:
  KeptValues(std::vector<int> layers, std::vector<Shape> shapes, const std::vector<int64_t>& rows, Mapping mapping);

  std::vector<int> layers_;
  std::vector<Shape> shapes_;  ///< of one row
  std::vector<int64_t> place_;  ///< by row: where it stands in the file
  Mapping mapping_;            ///< float32, row after row, the layers' values behind one another
};

}  // namespace espalier::engine
