#include "espalier/cli/terminal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <sstream>

#include <sys/ioctl.h>
#include <unistd.h>

namespace espalier::cli {

namespace {

constexpr int kPipedWidth = 80;
constexpr int kGap = 2;       // columns between two cells
constexpr int kNarrowest = 6; // of a column that is shortened

bool is_numeric(const std::string& cell) {
  return !cell.empty() && cell.find_first_not_of("0123456789.,+-e %") == std::string::npos;
}

std::string pad(const std::string& text, int width, bool right) {
  const std::string space(static_cast<size_t>(std::max(0, width - display_width(text))), ' ');
  return right ? space + text : text + space;
}

std::vector<int> natural_widths(const Table& table, const std::vector<size_t>& columns) {
  std::vector<int> widths;
  for (const size_t column : columns) {
    int width = display_width(table.headers[column]);
    for (const auto& row : table.rows) width = std::max(width, display_width(row[column]));
    widths.push_back(width);
  }
  return widths;
}

int total(const std::vector<int>& widths) {
  return std::accumulate(widths.begin(), widths.end(), 0) + kGap * (static_cast<int>(widths.size()) - 1);
}

}  // namespace

bool is_terminal(std::FILE* stream) {
  const char* kind = std::getenv("TERM");
  return isatty(fileno(stream)) != 0 && (kind == nullptr || std::string(kind) != "dumb");
}

bool wants_colour(std::FILE* stream) {
  const char* refused = std::getenv("NO_COLOR");
  return is_terminal(stream) && (refused == nullptr || *refused == '\0');
}

int terminal_width(std::FILE* stream) {
  winsize size = {};
  if (isatty(fileno(stream)) == 0 || ioctl(fileno(stream), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kPipedWidth;
  return size.ws_col;
}

int display_width(const std::string& text) {
  return static_cast<int>(std::count_if(text.begin(), text.end(), [](char c) { return (c & '\xC0') != '\x80'; }));
}

bool speaks_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    std::string locale = value;
    std::transform(locale.begin(), locale.end(), locale.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
  }
  return true;  // nothing is said, as in most containers, whose terminals read UTF-8
}

std::string shorten(const std::string& text, int width) {
  if (display_width(text) <= width) return text;
  const std::string mark = speaks_utf8() ? "…" : "~";
  std::string out;
  int used = 0;
  for (const char c : text) {
    if ((c & '\xC0') != '\x80' && ++used >= width) break;
    out += c;
  }
  return out + mark;
}

std::string hang(const std::string& lead, const std::string& text, int width) {
  const std::string indent(static_cast<size_t>(display_width(lead)), ' ');
  std::istringstream words(text);
  std::string out;
  std::string line = lead;
  bool begins = true;
  for (std::string word; words >> word; begins = false) {
    if (!begins && display_width(line) + 1 + display_width(word) > width) {
      out += line + "\n";
      line = indent;
      begins = true;
    }
    line += (begins ? "" : " ") + word;
  }
  return out + line + "\n";
}

std::string render(const Table& table, int width) {
  std::vector<size_t> columns(table.headers.size());
  std::iota(columns.begin(), columns.end(), size_t{0});
  std::vector<int> widths = natural_widths(table, columns);
  size_t left_out = 0;
  size_t optional_end = table.optional_end;
  while (total(widths) > width) {
    const auto widest = std::max_element(widths.begin(), widths.end());
    if (*widest > 3 * kNarrowest) {
      --*widest;
    } else if (optional_end > table.optional_begin) {
      --optional_end, ++left_out;
      columns.erase(columns.begin() + static_cast<std::ptrdiff_t>(optional_end));
      widths = natural_widths(table, columns);
    } else if (*widest > kNarrowest) {
      --*widest;
    } else {
      break;
    }
  }
  std::vector<bool> right;
  for (const size_t column : columns)
    right.push_back(!table.rows.empty() &&
                    std::all_of(table.rows.begin(), table.rows.end(), [&](const auto& row) {
                      return row[column].empty() || row[column] == "-" || is_numeric(row[column]);
                    }));
  std::string out;
  const auto add_row = [&](const std::vector<std::string>& row) {
    std::string line;
    for (size_t i = 0; i < columns.size(); ++i)
      line += (i == 0 ? "" : std::string(kGap, ' ')) + pad(shorten(row[columns[i]], widths[i]), widths[i], right[i]);
    while (!line.empty() && line.back() == ' ') line.pop_back();
    out += line + "\n";
  };
  add_row(table.headers);
  for (const auto& row : table.rows) add_row(row);
  if (left_out > 0) out += fmt::format("({} more columns: a wider terminal or --json shows them)\n", left_out);
  return out;
}

std::string sparkline(const std::vector<double>& values, size_t width) {
  static constexpr const char* kBlocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  static constexpr const char* kSigns[] = {"_", ".", "-", "~", "=", "+", "*", "#"};
  const auto& bars = speaks_utf8() ? kBlocks : kSigns;
  const size_t begin = values.size() > width ? values.size() - width : 0;
  if (begin == values.size()) return "";
  const auto [low, high] = std::minmax_element(values.begin() + static_cast<std::ptrdiff_t>(begin), values.end());
  std::string out;
  for (size_t i = begin; i < values.size(); ++i) {
    const double height = *high > *low ? (values[i] - *low) / (*high - *low) : 0.5;
    out += bars[std::isfinite(height) ? static_cast<size_t>(std::lround(height * 7.0)) : 0];
  }
  return out;
}

std::string format_seconds(double seconds) {
  if (!std::isfinite(seconds)) return "-";
  if (seconds < 10.0) return fmt::format("{:.2f}s", seconds);
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m {:02d}s", whole / 60, whole % 60);
  return fmt::format("{}h {:02d}m", whole / 3600, whole % 3600 / 60);
}

std::string format_bytes(double bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  while (bytes >= 1024.0 && unit < 4) bytes /= 1024.0, ++unit;
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

std::string format_count(double count) {
  if (count < 1e4) return fmt::format("{:.0f}", count);
  if (count < 1e6) return fmt::format("{:.1f} k", count / 1e3);
  if (count < 1e9) return fmt::format("{:.2f} M", count / 1e6);
  return fmt::format("{:.2f} G", count / 1e9);
}

std::string format_number(double value) {
  if (!std::isfinite(value)) return fmt::format("{}", value);
  // Whole numbers in full: a resolution of 10000 is not 1e+04.
  if (value == std::floor(value) && std::fabs(value) < 1e9) return fmt::format("{:.0f}", value);
  return fmt::format("{:.4g}", value);
}

std::string format_score(double value) {
  const double size = std::fabs(value);
  if (!std::isfinite(value) || (size > 0.0 && size < 0.001) || size >= 1e6) return fmt::format("{:.4g}", value);
  return fmt::format("{:.{}f}", value, size < 100.0 ? 4 : size < 1000.0 ? 2 : 1);
}

std::string format_named(const std::string& label, double value) {
  const std::string name = label.substr(0, label.find(','));  // "time, predicted"
  if (name == "latency" || name == "time" || name == "seconds") return value < 0.1 ? fmt::format("{:.3g} ms", 1e3 * value) : format_seconds(value);
  if (name == "memory") return format_bytes(value);
  return value == std::floor(value) ? format_number(value) : format_score(value);
}

std::string format_value(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return format_number(value.get<double>());
  return value.dump();
}

}  // namespace espalier::cli
