#pragma once

#include "encoding.h"
#include "evidence.h"

#include <optional>
#include <span>
#include <vector>

namespace espalier::tuners {

/// All tried configurations as rows of coordinates: first what was seen, in the order of the evidence, then what is
/// pending, then the others. They are found again in logarithmic time. The encoding must outlive them.
class Rows {
 public:
  Rows(const Encoding& encoding, const Evidence& evidence);

  size_t size() const { return sorted_.size(); }
  size_t seen() const { return seen_; }
  size_t pending() const { return pending_; }
  std::span<const double> operator[](size_t i) const { return {values_.data() + i * width_, width_}; }
  /// The first row that equals the given one.
  std::optional<size_t> find(std::span<const double> row) const;
  bool contains(std::span<const double> row) const { return find(row).has_value(); }

 private:
  size_t width_;
  size_t seen_;
  size_t pending_;
  std::vector<double> values_;
  std::vector<size_t> sorted_;  // by their coordinates, equal ones by index
};

}  // namespace espalier::tuners
