#include "espalier/network/analysis.h"

#include "espalier/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace espalier {

namespace {

using Row = std::array<std::string, 5>;

/// "5,288,548".
std::string grouped(int64_t number) {
  std::string out = std::to_string(number);
  for (auto i = static_cast<int64_t>(out.size()) - 3; i > 0; i -= 3) out.insert(static_cast<size_t>(i), ",");
  return out;
}

std::string bytes(int64_t count) {
  if (count < 1024) return fmt::format("{} B", count);
  double size = static_cast<double>(count) / 1024;
  for (const char* unit : {"KiB", "MiB", "GiB"}) {
    if (size < 1024) return fmt::format("{:.2f} {}", size, unit);
    size /= 1024;
  }
  return fmt::format("{:.2f} TiB", size);
}

/// The layers that feed this one, unless it is just the one before.
std::string inputs(const Layer& layer) {
  if (layer.in.empty() || (layer.in.size() == 1 && layer.in[0] == layer.id - 1)) return "";
  std::string out;
  for (const int source : layer.in) out += (out.empty() ? "" : ", ") + std::to_string(source);
  return out;
}

std::string name(const Layer& layer) {
  if (layer.op == "input") return layer.set.at("name").get<std::string>() + " (input)";
  return layer.from.empty() ? layer.op : fmt::format("{} ({})", layer.from, layer.op);
}

/// Keeps the end, which tells layers apart: "...stage2/block1 (conv)".
std::string shortened(const std::string& text, size_t width) {
  if (text.size() <= width) return text;
  return "..." + text.substr(text.size() - (width - 3));
}

std::vector<Row> rows(const Network& net) {
  std::vector<Row> out = {{"", "layer (operation)", "output shape", "parameters", "inputs"}};
  for (const Layer& layer : net.layers()) {
    const Cost one = cost(layer, net);
    out.push_back({std::to_string(layer.id), name(layer), to_string(layer.shape), grouped(one.parameters + one.buffers),
                   inputs(layer)});
  }
  return out;
}

std::string totals(const Network& net) {
  const Cost sum = cost(net);
  const auto size = [](int64_t count) { return bytes(count * static_cast<int64_t>(sizeof(float))); };
  const auto line = [](const char* label, const std::string& value) { return fmt::format("{:<15}{}\n", label, value); };
  const int64_t all = sum.parameters + sum.buffers;
  return line("parameters", fmt::format("{} ({})", grouped(all), size(all))) +
         line("trained", fmt::format("{} ({})", grouped(sum.parameters - sum.frozen), size(sum.parameters - sum.frozen))) +
         line("not trained", fmt::format("{} ({})", grouped(sum.buffers + sum.frozen), size(sum.buffers + sum.frozen))) +
         line("multiply-adds", grouped(sum.macs) + " a sample, forward") +
         line("activations", bytes(sum.activation_bytes) + " a sample, in training");
}

}  // namespace

std::string summary(const Network& net, int width) {
  std::vector<Row> table = rows(net);
  std::array<size_t, 5> columns{};
  for (const Row& row : table)
    for (size_t k = 0; k < row.size(); ++k) columns[k] = std::max(columns[k], row[k].size());
  // Only the name gives way; shapes and counts are what the table is for.
  constexpr size_t least_name = 20;
  const size_t others = columns[0] + columns[2] + columns[3] + columns[4] + 8;
  const auto whole = static_cast<size_t>(std::max(width, 0));
  const size_t room = std::max(least_name, whole - std::min(others, whole));
  columns[1] = std::min(columns[1], room);
  std::vector<std::string> lines;
  size_t longest = 0;
  for (const Row& row : table) {
    std::string line =
        fmt::format("{:>{}}  {:<{}}  {:<{}}  {:>{}}  {}", row[0], columns[0], shortened(row[1], columns[1]), columns[1],
                    row[2], columns[2], row[3], columns[3], row[4]);
    line.erase(line.find_last_not_of(' ') + 1);
    longest = std::max(longest, line.size());
    lines.push_back(std::move(line));
  }
  const std::string rule(longest, '-');
  lines.insert(lines.begin() + 1, rule);
  lines.push_back(rule);
  return join(lines, "\n") + '\n' + totals(net);
}

}  // namespace espalier
