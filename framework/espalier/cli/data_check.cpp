#include "espalier/cli/data_check.h"

#include "espalier/random.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_map>

namespace espalier::cli {

namespace {

constexpr size_t kExamples = 5;

/// Rows by split; a row of none stays out.
std::unordered_map<int64_t, const char*> split_of_rows(const Splits& splits) {
  std::unordered_map<int64_t, const char*> out;
  for (const int64_t row : splits.train) out[row] = "train";
  for (const int64_t row : splits.validation) out[row] = "validation";
  for (const int64_t row : splits.test) out[row] = "test";
  return out;
}

/// Equal pictures: how many within a split, how many across two, and some of each.
Json duplicates(const Prepared& prepared, const ColumnView& image, const Splits& splits) {
  const auto size = static_cast<size_t>(elements(image.shape));
  const auto* bytes = image.as<char>();
  const auto picture = [&](int64_t row) { return std::string_view(bytes + static_cast<size_t>(row) * size, size); };
  const auto split_of = split_of_rows(splits);
  std::unordered_multimap<uint64_t, int64_t> seen;
  int64_t within = 0;
  int64_t across = 0;
  Json examples = Json::array();
  for (int64_t row = 0; row < image.rows; ++row) {
    const auto split = split_of.find(row);
    if (split == split_of.end()) continue;
    const uint64_t hash = derive_seed(0, picture(row));
    const auto [begin, end] = seen.equal_range(hash);
    const auto twin = std::find_if(begin, end, [&](const auto& entry) { return picture(entry.second) == picture(row); });
    if (twin == end) {
      seen.emplace(hash, row);
      continue;
    }
    const std::string other = split_of.at(twin->second);
    other == split->second ? ++within : ++across;
    if (other != split->second && examples.size() < kExamples)
      examples.push_back(prepared.origin(twin->second) + " (" + other + ") = " + prepared.origin(row) + " (" + split->second + ")");
  }
  return {{"column", image.name}, {"within_splits", within}, {"across_splits", across}, {"examples", examples}};
}

Json range(const ColumnView& column) {
  double low = INFINITY;
  double high = -INFINITY;
  int64_t missing = 0;
  for (int64_t row = 0; row < column.rows; ++row) {
    const double value = static_cast<double>(column.as<float>()[row]);
    if (std::isfinite(value))
      low = std::min(low, value), high = std::max(high, value);
    else
      ++missing;
  }
  return {{"column", column.name}, {"least", low <= high ? Json(low) : Json()}, {"most", low <= high ? Json(high) : Json()},
          {"missing", missing}};
}

Json absent_classes(const ColumnView& column, const Splits& splits) {
  Json out = Json::array();
  const std::pair<const char*, const std::vector<int64_t>*> parts[] = {
      {"train", &splits.train}, {"validation", &splits.validation}, {"test", &splits.test}};
  for (const auto& [name, rows] : parts) {
    if (rows->empty()) continue;
    std::vector<bool> there(column.names.size(), false);
    for (const int64_t row : *rows)
      if (const int64_t label = column.as<int64_t>()[row]; label >= 0 && static_cast<size_t>(label) < there.size())
        there[static_cast<size_t>(label)] = true;
    for (size_t i = 0; i < there.size(); ++i)
      if (!there[i]) out.push_back({{"column", column.name}, {"split", name}, {"class", column.names[i]}});
  }
  return out;
}

}  // namespace

Json check_content(const Prepared& prepared, const Splits& splits) {
  Json out = {{"duplicates", Json::array()}, {"ranges", Json::array()}, {"absent_classes", Json::array()},
              {"left_out", prepared.manifest().value("left_out", Json::array())}};
  for (const ColumnView& column : prepared.columns()) {
    if (column.values == nullptr) continue;
    if (column.kind == ColumnKind::image) out["duplicates"].push_back(duplicates(prepared, column, splits));
    if (column.kind == ColumnKind::number && column.type == "float32") out["ranges"].push_back(range(column));
    if (column.kind == ColumnKind::class_label && column.type == "int64" && column.name != "split")
      for (Json& entry : absent_classes(column, splits)) out["absent_classes"].push_back(std::move(entry));
  }
  return out;
}

}  // namespace espalier::cli
