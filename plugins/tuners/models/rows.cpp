#include "rows.h"

#include <algorithm>
#include <numeric>

namespace espalier::tuners {

namespace {

bool before(std::span<const double> a, std::span<const double> b) { return std::ranges::lexicographical_compare(a, b); }

}  // namespace

Rows::Rows(const Encoding& encoding, const Evidence& evidence)
    : width_(encoding.size()), seen_(evidence.seen.size()), pending_(evidence.pending.size()) {
  std::vector<const Settings*> all;
  for (const Observation& observation : evidence.seen) all.push_back(observation.settings);
  all.insert(all.end(), evidence.pending.begin(), evidence.pending.end());
  all.insert(all.end(), evidence.others.begin(), evidence.others.end());
  values_ = encoding.encode(all);
  sorted_.resize(all.size());
  std::iota(sorted_.begin(), sorted_.end(), size_t{0});
  std::ranges::stable_sort(sorted_, [&](size_t a, size_t b) { return before((*this)[a], (*this)[b]); });
}

std::optional<size_t> Rows::find(std::span<const double> row) const {
  const auto found = std::lower_bound(sorted_.begin(), sorted_.end(), row,
                                      [&](size_t i, std::span<const double> wanted) { return before((*this)[i], wanted); });
  if (found == sorted_.end() || !std::ranges::equal((*this)[*found], row)) return std::nullopt;
  return *found;
}

}  // namespace espalier::tuners
