#pragma once

#include "espalier/json.h"

#include <cstdio>
#include <string>
#include <vector>

namespace espalier::cli {

/// True if `stream` is a terminal that a person looks at.
bool is_terminal(std::FILE* stream);
/// True on a terminal unless NO_COLOR is set.
bool wants_colour(std::FILE* stream);
/// Columns of the terminal behind `stream`; 80 if it is none.
int terminal_width(std::FILE* stream);
/// Columns that UTF-8 text takes (one a code point).
int display_width(const std::string& text);
/// True unless the locale says that what is written is not read as UTF-8.
bool speaks_utf8();
/// `text` in at most `width` columns, ending in an ellipsis if it was cut.
std::string shorten(const std::string& text, int width);

/// The words of `text` after `lead` in lines of at most `width` columns; further lines begin below the first word.
std::string hang(const std::string& lead, const std::string& text, int width);

/// Rows under headers, columns as wide as their content, fitted to `width`: wide cells are shortened, and columns from
/// `first_optional` on are left out from the right, with a last line that says how many.
struct Table {
  std::vector<std::string> headers;
  std::vector<std::vector<std::string>> rows;
  size_t optional_begin = 0;   ///< columns [begin, end) may be left out
  size_t optional_end = 0;
};
std::string render(const Table& table, int width);

/// Bars of eight heights for the last `width` values.
std::string sparkline(const std::vector<double>& values, size_t width);

/// "4m 05s", "2.31s".
std::string format_seconds(double seconds);
/// "1.2 MiB".
std::string format_bytes(double bytes);
/// "1.23 M".
std::string format_count(double count);
/// Four significant digits.
std::string format_number(double value);
/// A score to four places, fewer where it is large.
std::string format_score(double value);
/// A score, or a measure of a trial in its unit: "1.23 ms" of latency, "1.2 MiB" of memory.
std::string format_named(const std::string& label, double value);
/// A setting's value without quotes; numbers with four significant digits.
std::string format_value(const Json& value);

}  // namespace espalier::cli
