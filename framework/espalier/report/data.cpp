#include "espalier/report/gather.h"

#include "espalier/data/prepared.h"
#include "espalier/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace espalier::report {

namespace fs = std::filesystem;

namespace {

constexpr int64_t kPictures = 24;
constexpr int64_t kBins = 24;
constexpr size_t kMostClasses = 100;

using NamedRows = std::vector<std::pair<std::string, std::vector<int64_t>>>;

/// The splits by the names that the page shows.
NamedRows rows_of(const Splits& splits) {
  return {{"train", splits.train}, {"validation", splits.validation}, {"test", splits.test}};
}

Json class_balance(const ColumnView& column, const NamedRows& splits) {
  const size_t classes = column.names.size();
  if (classes == 0 || classes > kMostClasses) return nullptr;
  Json counts = Json::object();
  for (const auto& [name, rows] : splits) {
    std::vector<int64_t> count(classes, 0);
    for (const int64_t row : rows) {
      const int64_t label = column.as<int64_t>()[row];
      if (label >= 0 && label < static_cast<int64_t>(classes)) ++count[static_cast<size_t>(label)];
    }
    counts[name] = count;
  }
  return {{"column", column.name}, {"kind", "class"}, {"labels", column.names}, {"counts", counts}};
}

Json histogram(const ColumnView& column, const NamedRows& splits) {
  double low = INFINITY;
  double high = -INFINITY;
  const auto value = [&](int64_t row) { return static_cast<double>(column.as<float>()[row]); };
  for (const auto& [name, rows] : splits)
    for (const int64_t row : rows)
      if (std::isfinite(value(row))) low = std::min(low, value(row)), high = std::max(high, value(row));
  if (!(low < high)) return nullptr;
  const double width = (high - low) / static_cast<double>(kBins);
  std::vector<std::string> labels;
  for (int64_t bin = 0; bin < kBins; ++bin) labels.push_back(fmt::format("{:.4g}", low + width * static_cast<double>(bin)));
  Json counts = Json::object();
  for (const auto& [name, rows] : splits) {
    std::vector<int64_t> count(kBins, 0);
    for (const int64_t row : rows)
      if (std::isfinite(value(row)))
        ++count[static_cast<size_t>(std::min<int64_t>(kBins - 1, static_cast<int64_t>((value(row) - low) / width)))];
    counts[name] = count;
  }
  return {{"column", column.name}, {"kind", "number"}, {"labels", labels}, {"counts", counts}};
}

std::string caption(const Prepared& prepared, int64_t row) {
  for (const ColumnView& column : prepared.columns()) {
    if (column.kind == ColumnKind::class_label && column.values != nullptr) {
      const int64_t label = column.as<int64_t>()[row];
      if (label >= 0 && label < static_cast<int64_t>(column.names.size())) return column.names[static_cast<size_t>(label)];
    }
    if (column.kind == ColumnKind::number && column.values != nullptr && column.type == "float32")
      return fmt::format("{} {:.4g}", column.name, column.as<float>()[row]);
  }
  return "";
}

/// Rows spread evenly over the split: the same pictures in every report of the same data.
Json pictures(const Prepared& prepared, const std::vector<int64_t>& rows) {
  Json out = Json::array();
  const auto image = std::find_if(prepared.columns().begin(), prepared.columns().end(),
                                  [](const ColumnView& c) { return c.kind == ColumnKind::image && c.shape.size() == 3; });
  if (image == prepared.columns().end() || image->values == nullptr || rows.empty()) return out;
  const auto count = std::min<int64_t>(kPictures, static_cast<int64_t>(rows.size()));
  for (int64_t i = 0; i < count; ++i) {
    const int64_t row = rows[static_cast<size_t>(i * static_cast<int64_t>(rows.size()) / count)];
    Json picture = picture_of(*image, row);
    picture["caption"] = caption(prepared, row);
    out.push_back(std::move(picture));
  }
  return out;
}

/// The file before ":" of "split-51ab.h5:train", or the plain path.
fs::path split_file(const Json& splits) {
  std::string text;
  if (splits.is_string()) text = splits.get<std::string>();
  if (splits.is_object() && splits.contains("train") && splits["train"].is_string()) text = splits["train"].get<std::string>();
  if (splits.is_object() && splits.contains("file") && splits["file"].is_string()) text = splits["file"].get<std::string>();
  const size_t colon = text.rfind(':');
  return colon == std::string::npos || text.find('/', colon) != std::string::npos ? text : text.substr(0, colon);
}

}  // namespace

Json picture_of(const ColumnView& image, int64_t row) {
  const int64_t size = elements(image.shape);
  return {{"height", image.shape[0]}, {"width", image.shape[1]}, {"channels", image.shape[2]},
          {"data", base64(image.as<unsigned char>() + row * size, static_cast<size_t>(size))}};
}

CacheOfTrial open_cache(const Json& trial_document) {
  CacheOfTrial out;
  const Json data = trial_document.is_object() ? trial_document.value("data", Json::object()) : Json::object();
  if (!data.contains("cache") || !data["cache"].is_string()) return out;
  const fs::path folder = data["cache"].get<std::string>();
  try {
    out.prepared = std::make_shared<Prepared>(Prepared::open(folder));
    fs::path file = split_file(data.value("splits", Json()));
    if (file.is_relative()) file = folder / file;
    out.splits = read_splits(file);
  } catch (const Error&) {
    out.prepared = nullptr;  // the cache was cleaned away since
  }
  return out;
}

Json gather_data(const Json& trial_document) {
  const CacheOfTrial cache = open_cache(trial_document);
  if (!cache.prepared) return nullptr;
  const Prepared& prepared = *cache.prepared;
  const NamedRows splits = rows_of(cache.splits);
  Json out = {{"pictures", pictures(prepared, cache.splits.train)}, {"targets", Json::array()}, {"sizes", Json::object()},
              {"left_out", prepared.manifest().value("left_out", Json::array())}};
  for (const auto& [name, rows] : splits) out["sizes"][name] = rows.size();
  for (const ColumnView& column : prepared.columns()) {
    if (column.values == nullptr || column.name == "split") continue;
    Json target;
    if (column.kind == ColumnKind::class_label && column.type == "int64") target = class_balance(column, splits);
    if (column.kind == ColumnKind::number && column.type == "float32") target = histogram(column, splits);
    if (!target.is_null()) out["targets"].push_back(std::move(target));
  }
  return out;
}

}  // namespace espalier::report
