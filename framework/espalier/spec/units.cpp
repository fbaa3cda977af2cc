#include "espalier/spec/units.h"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace espalier {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Splits "1.5h" into its number and its unit.
std::pair<std::string, std::string> split_unit(const std::string& text) {
  size_t n = 0;
  while (n < text.size() && (is_digit(text[n]) || text[n] == '.')) ++n;
  return {text.substr(0, n), text.substr(n)};
}

std::optional<double> read_with(const std::string& text, std::optional<double> (*unit_of)(const std::string&)) {
  const auto [number, unit] = split_unit(text);
  const std::optional<double> value = read_number(number);
  const std::optional<double> factor = unit_of(unit);
  if (!value || !factor) return std::nullopt;
  return *value * *factor;
}

}  // namespace

std::optional<long long> read_integer(const std::string& text) {
  const size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  const std::string digits = text.substr(sign);
  if (digits.empty() || (digits.size() > 1 && digits[0] == '0')) return std::nullopt;
  for (const char c : digits)
    if (!is_digit(c)) return std::nullopt;
  long long value = 0;
  const std::string plain = text[0] == '-' ? text : digits;
  const auto [end, error] = std::from_chars(plain.data(), plain.data() + plain.size(), value);
  if (error != std::errc() || end != plain.data() + plain.size()) return std::nullopt;
  return value;
}

std::optional<double> read_number(const std::string& text) {
  size_t i = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  const size_t start = i;
  while (i < text.size() && is_digit(text[i])) ++i;
  if (i == start || (i - start > 1 && text[start] == '0')) return std::nullopt;
  if (i < text.size() && text[i] == '.') {
    const size_t point = i++;
    while (i < text.size() && is_digit(text[i])) ++i;
    if (i == point + 1) return std::nullopt;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    const size_t exponent = i;
    while (i < text.size() && is_digit(text[i])) ++i;
    if (i == exponent) return std::nullopt;
  }
  if (i != text.size()) return std::nullopt;
  const char* begin = text.data() + (text[0] == '+' ? 1 : 0);
  double value = 0.0;
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<double> time_unit(const std::string& unit) {
  static constexpr std::array<std::pair<const char*, double>, 5> kUnits{
      {{"ms", 0.001}, {"s", 1.0}, {"m", 60.0}, {"h", 3600.0}, {"d", 86400.0}}};
  for (const auto& [name, factor] : kUnits)
    if (unit == name) return factor;
  return std::nullopt;
}

std::optional<double> size_unit(const std::string& unit) {
  static constexpr std::array<std::pair<const char*, double>, 9> kUnits{
      {{"B", 1.0}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
       {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}, {"TiB", 1099511627776.0}}};
  for (const auto& [name, factor] : kUnits)
    if (unit == name) return factor;
  return std::nullopt;
}

std::optional<double> read_time(const std::string& text) { return read_with(text, time_unit); }

std::optional<double> read_size(const std::string& text) { return read_with(text, size_unit); }

}  // namespace espalier
