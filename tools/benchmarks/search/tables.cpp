#include "tables.h"

#include "espalier/error.h"
#include "file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

namespace espalier::bench {

namespace {

namespace fs = std::filesystem;

/// One number a row; a mean over those columns that hold one. NaN where none does.
std::vector<double> row_means(const std::vector<float>& data, size_t rows, size_t width, const std::vector<size_t>& columns) {
  std::vector<double> out(rows, std::numeric_limits<double>::quiet_NaN());
  for (size_t row = 0; row < rows; ++row) {
    double sum = 0.0;
    int count = 0;
    for (const size_t column : columns) {
      const float value = data[row * width + column];
      if (!std::isnan(value)) sum += static_cast<double>(value), ++count;
    }
    if (count > 0) out[row] = sum / count;
  }
  return out;
}

/// The columns whose mean is the objective: all repetitions, or all that are called an accuracy.
std::vector<size_t> objective_columns(const Json& header, size_t width) {
  std::vector<size_t> out;
  for (size_t i = 0; i < width; ++i)
    if (!header.contains("columns") || header["columns"][i].get<std::string>().find("acc") != std::string::npos) out.push_back(i);
  return out;
}

Scale scale_of(std::vector<double> objectives) {
  std::erase_if(objectives, [](double x) { return std::isnan(x); });
  std::ranges::sort(objectives);
  require(!objectives.empty(), "E2001", "the table holds no number");
  return {.best = objectives.front(), .median = objectives[objectives.size() / 2]};
}

std::vector<double> read_objectives(const fs::path& header_file, const Json& header, size_t rows) {
  const size_t width = header.contains("columns") ? header["columns"].size() : header.at("seeds").get<size_t>();
  const std::vector<float> data = read_floats(fs::path(header_file).replace_extension(".f32"), rows * width);
  std::vector<double> out = row_means(data, rows, width, objective_columns(header, width));
  if (header.at("direction") == "maximize")
    for (double& value : out) value = -value;
  return out;
}

Task table_task(const fs::path& header_file) {
  const Json header = read_header(header_file);
  const auto space = std::make_shared<TableSpace>(header);
  const auto objectives = std::make_shared<std::vector<double>>(read_objectives(header_file, header, space->rows()));
  Task task{.name = header_file.stem(), .space = space->space(), .maximize = header.at("direction") == "maximize"};
  task.objective = [space, objectives](const Settings& settings, size_t, uint64_t) -> std::optional<double> {
    const double value = (*objectives)[space->row(settings)];
    return std::isnan(value) ? std::nullopt : std::optional(value);
  };
  task.scale = scale_of(*objectives);
  return task;
}

/// Two steps: the validation accuracy of a training of 12 epochs, and that of the one of 200.
Task two_lengths_task(const std::string& name, const fs::path& full_header, const fs::path& short_header, const std::string& column) {
  Task task = table_task(full_header);
  task.name = name;
  task.costs = {12.0 / 200.0, 1.0};
  const Json header = read_header(short_header);
  const auto found = std::ranges::find(header.at("columns"), Json(column));
  require(found != header.at("columns").end(), "E2001", fmt::format("'{}' has no column '{}'", short_header.string(), column));
  const size_t rows = header.at("rows").get<size_t>();
  const size_t width = header["columns"].size();
  const std::vector<float> data = read_floats(fs::path(short_header).replace_extension(".f32"), rows * width);
  const auto space = std::make_shared<TableSpace>(read_header(full_header));
  require(rows == space->rows(), "E2001", fmt::format("'{}' and '{}' differ in their rows", full_header.string(), short_header.string()));
  const auto early = std::make_shared<std::vector<double>>(
      row_means(data, rows, width, {static_cast<size_t>(found - header["columns"].begin())}));
  task.objective = [space, early, late = task.objective](const Settings& settings, size_t step, uint64_t seed) {
    return step == 1 ? std::optional(-(*early)[space->row(settings)]) : late(settings, step, seed);
  };
  return task;
}

bool starts_with_any(const std::string& name, const std::vector<std::string>& prefixes) {
  return std::ranges::any_of(prefixes, [&](const std::string& prefix) { return name.starts_with(prefix); });
}

}  // namespace

TableSpace::TableSpace(const Json& header) {
  const Json& radix = header.at("radix");
  for (size_t i = 0; i < radix.size(); ++i) {
    Axis axis{.name = header.at("names")[i].get<std::string>()};
    const Json values = header.value("values", Json::array());
    for (size_t k = 0; k < radix[i].get<size_t>(); ++k) axis.choices.push_back(values.empty() ? Json(k) : values[i][k]);
    axis.ordered = std::ranges::all_of(axis.choices, [](const Json& value) { return value.is_number(); });
    rows_ *= axis.choices.size();
    space_.axes.push_back(std::move(axis));
  }
}

size_t TableSpace::row(const Settings& settings) const {
  size_t out = 0;
  for (const Axis& axis : space_.axes) {
    const auto found = std::ranges::find(axis.choices, settings.at(axis.name));
    require(found != axis.choices.end(), "E4020", fmt::format("'{}' is not among the values of '{}'", settings.at(axis.name).dump(), axis.name));
    out = out * axis.choices.size() + static_cast<size_t>(found - axis.choices.begin());
  }
  return out;
}

void add_tables(Tasks& tasks, const fs::path& folder) {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const fs::path file = entry.path();
    const std::string name = file.stem();
    if (file.extension() != ".json" || !starts_with_any(name, {"hpolib_", "hpobench_", "nasbench201_", "nasbench_macro_"})) continue;
    tasks[name] = [file] { return table_task(file); };
  }
  const fs::path early = folder / "nb201_12ep.json";
  for (const std::string set : {"cifar10", "cifar100", "imagenet"}) {
    const fs::path late = folder / ("nasbench201_" + set + ".json");
    const std::string name = "nb201_12ep_" + set;
    if (fs::exists(early) && fs::exists(late))
      tasks[name] = [name, late, early, set] { return two_lengths_task(name, late, early, set + "-val"); };
  }
}

}  // namespace espalier::bench
