#include "espalier/importance/bins.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

namespace espalier {

namespace {

constexpr double kMostBins = 12.0;

Bins bins_of_words(const std::vector<Json>& values) {
  std::map<std::string, size_t> known;
  Bins bins;
  for (const Json& value : values) {
    const auto [found, is_new] = known.try_emplace(value.dump(), bins.count.size());
    if (is_new) {
      bins.count.push_back(0);
      bins.ends.push_back({value});
    }
    ++bins.count[found->second];
    bins.of.push_back(found->second);
  }
  bins.values = std::ssize(bins.count);
  return bins;
}

/// Closes a bin once it and those before it hold their part; equal values stay together.
Bins bins_of_numbers(const std::vector<Json>& values) {
  std::map<double, int64_t> counts;
  for (const Json& value : values) ++counts[value.get<double>()];
  const auto total = static_cast<double>(values.size());
  const double wanted = std::clamp(std::round(std::cbrt(total)), 2.0, kMostBins);
  const bool one_each = static_cast<double>(counts.size()) <= wanted + 2.0;
  std::map<double, size_t> bin_of;
  Bins bins;
  bins.values = std::ssize(counts);
  double seen = 0.0;
  bool closed = true;
  for (const auto& [value, count] : counts) {
    if (closed) {
      bins.count.push_back(0);
      bins.ends.push_back({value});
    } else {
      bins.ends.back().resize(1);
      bins.ends.back().emplace_back(value);
    }
    bin_of[value] = bins.count.size() - 1;
    bins.count.back() += count;
    seen += static_cast<double>(count);
    closed = one_each || seen >= total * static_cast<double>(bins.count.size()) / wanted - 1e-9;
  }
  for (const Json& value : values) bins.of.push_back(bin_of.at(value.get<double>()));
  return bins;
}

}  // namespace

Bins make_bins(const std::vector<Json>& values) {
  const bool numbers = std::ranges::all_of(values, [](const Json& value) { return value.is_number(); });
  return numbers && !values.empty() ? bins_of_numbers(values) : bins_of_words(values);
}

}  // namespace espalier
