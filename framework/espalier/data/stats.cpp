#include "espalier/data/stats.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace espalier {
namespace {

constexpr int64_t kBins = 24;
constexpr size_t kMostClasses = 100;

using NamedRows = std::vector<std::pair<std::string, const std::vector<int64_t>*>>;

NamedRows rows_of(const Splits& splits) {
  return {{"train", &splits.train}, {"validation", &splits.validation}, {"test", &splits.test}};
}

Json class_balance(const ColumnView& column, const NamedRows& splits) {
  const size_t classes = column.names.size();
  if (classes == 0 || classes > kMostClasses) return nullptr;
  Json counts = Json::object();
  for (const auto& [name, rows] : splits) {
    std::vector<int64_t> count(classes, 0);
    for (const int64_t row : *rows) {
      const int64_t label = column.as<int64_t>()[row];
      if (label >= 0 && label < static_cast<int64_t>(classes)) ++count[static_cast<size_t>(label)];
    }
    counts[name] = count;
  }
  return {{"column", column.name}, {"kind", "class"}, {"labels", column.names}, {"counts", counts}};
}

/// Width of at most `kBins` bins over a range, of the kind that people write on an axis: 1, 2 or 5 times a power of ten.
double bin_width(double range) {
  const double exact = range / static_cast<double>(kBins);
  const double power = std::pow(10.0, std::floor(std::log10(exact)));
  for (const double step : {1.0, 2.0, 5.0})
    if (step * power >= exact * 0.999) return step * power;
  return 10.0 * power;
}

Json summary_of(const ColumnView& column, const std::vector<int64_t>& rows) {
  double sum = 0.0, squares = 0.0, low = INFINITY, high = -INFINITY;
  int64_t count = 0;
  for (const int64_t row : rows) {
    const auto value = static_cast<double>(column.as<float>()[row]);
    if (!std::isfinite(value)) continue;
    sum += value;
    low = std::min(low, value);
    high = std::max(high, value);
    ++count;
  }
  const int64_t missing = std::ssize(rows) - count;
  if (count == 0) return {{"missing", missing}};
  const double mean = sum / static_cast<double>(count);
  for (const int64_t row : rows)
    if (const auto value = static_cast<double>(column.as<float>()[row]); std::isfinite(value)) squares += (value - mean) * (value - mean);
  return {{"mean", mean}, {"deviation", std::sqrt(squares / static_cast<double>(count))}, {"least", low}, {"most", high}, {"missing", missing}};
}

Json histogram(const ColumnView& column, const NamedRows& splits) {
  double low = INFINITY;
  double high = -INFINITY;
  Json summary = Json::object();
  for (const auto& [name, rows] : splits) {
    summary[name] = summary_of(column, *rows);
    low = std::min(low, summary[name].value("least", low));
    high = std::max(high, summary[name].value("most", high));
  }
  if (!(low < high)) return nullptr;
  const double width = bin_width(high - low);
  const double first = std::floor(low / width);
  const auto bins = static_cast<size_t>(std::floor(high / width) - first) + 1;
  std::vector<std::string> labels;
  for (size_t bin = 0; bin < bins; ++bin) labels.push_back(fmt::format("{:.4g}", (first + static_cast<double>(bin)) * width));
  Json counts = Json::object();
  for (const auto& [name, rows] : splits) {
    std::vector<int64_t> count(bins, 0);
    for (const int64_t row : *rows)
      if (const auto value = static_cast<double>(column.as<float>()[row]); std::isfinite(value))
        ++count[std::min(bins - 1, static_cast<size_t>(std::floor(value / width) - first))];
    counts[name] = count;
  }
  return {{"column", column.name}, {"kind", "number"}, {"unit", column.unit}, {"bin", width}, {"labels", labels}, {"counts", counts},
          {"summary", summary}};
}

bool wanted(const ColumnView& column, const std::vector<std::string>& columns) {
  return column.values != nullptr && column.name != "split" &&
         (columns.empty() || std::ranges::find(columns, column.name) != columns.end());
}

}  // namespace

Json content_stats(const Prepared& prepared, const Splits& splits, const std::vector<std::string>& columns) {
  const NamedRows rows = rows_of(splits);
  Json out = {{"sizes", Json::object()}, {"targets", Json::array()}};
  for (const auto& [name, indices] : rows) out["sizes"][name] = indices->size();
  for (const ColumnView& column : prepared.columns()) {
    if (!wanted(column, columns)) continue;
    Json target;
    if (column.kind == ColumnKind::class_label) target = class_balance(column, rows);
    if (column.kind == ColumnKind::number) target = histogram(column, rows);
    if (!target.is_null()) out["targets"].push_back(std::move(target));
  }
  return out;
}

std::vector<int64_t> label_sums(const Json& target) {
  std::vector<int64_t> sums(target.at("labels").size(), 0);
  for (const Json& counts : target.at("counts"))
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += counts[i].get<int64_t>();
  return sums;
}

const ColumnView* picture_column(const Prepared& prepared) {
  const auto image = std::ranges::find_if(prepared.columns(), [](const ColumnView& c) { return c.kind == ColumnKind::image; });
  return image == prepared.columns().end() || image->values == nullptr ? nullptr : &*image;
}

std::vector<int64_t> sample_rows(const std::vector<int64_t>& rows, int64_t count) {
  count = std::min(count, std::ssize(rows));
  std::vector<int64_t> out;
  for (int64_t i = 0; i < count; ++i) out.push_back(rows[static_cast<size_t>(i * std::ssize(rows) / count)]);
  return out;
}

Picture read_picture(const ColumnView& image, int64_t row) {
  const int64_t size = elements(image.shape);
  const uint8_t* from = image.as<uint8_t>() + row * size;
  return {.height = image.shape.at(0), .width = image.shape.at(1), .channels = image.shape.at(2), .pixels = {from, from + size}};
}

std::string row_caption(const Prepared& prepared, int64_t row, const std::vector<std::string>& columns) {
  for (const ColumnView& column : prepared.columns()) {
    if (!wanted(column, columns)) continue;
    if (column.kind == ColumnKind::class_label) {
      const int64_t label = column.as<int64_t>()[row];
      if (label >= 0 && label < std::ssize(column.names)) return column.names[static_cast<size_t>(label)];
    }
    if (column.kind == ColumnKind::number) return fmt::format("{} {:.4g}", column.name, column.as<float>()[row]);
  }
  return "";
}

}  // namespace espalier
