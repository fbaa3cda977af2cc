#include "espalier/spec/source.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace espalier {

namespace {

Place place_of_byte(const std::shared_ptr<const Source>& source, size_t byte) {
  const auto next = std::ranges::upper_bound(source->lines, byte);
  const auto line = std::distance(source->lines.begin(), next);
  return {source, static_cast<int>(line), static_cast<int>(byte - source->lines[static_cast<size_t>(line) - 1]) + 1, 1};
}

/// Length of the UTF-8 sequence at `i`, or 0 if it is not one (overlong forms and surrogates included).
size_t utf8_length(const std::string& text, size_t i) {
  const auto byte = [&](size_t k) { return k < text.size() ? static_cast<unsigned char>(text[k]) : 0U; };
  const unsigned first = byte(i);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xC2 && first < 0xE0 ? 2 : first >= 0xE0 && first < 0xF0 ? 3 : first >= 0xF0 && first < 0xF5 ? 4 : 0;
  for (size_t k = 1; k < length; ++k)
    if ((byte(i + k) & 0xC0U) != 0x80U) return 0;
  const unsigned second = byte(i + 1);
  const bool bad = (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) || (first == 0xF0 && second < 0x90) ||
                   (first == 0xF4 && second > 0x8F);
  return bad ? 0 : length;
}

/// Refuses what a YAML scanner would misread: other encodings, and control characters (it ends silently at 0x04).
bool is_plain_text(const std::shared_ptr<const Source>& source, Problems& problems) {
  const std::string& text = source->text;
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_length(text, i);
    if (length == 0) {
      problems.add("E0101", "the file is not UTF-8: the byte here begins no character", place_of_byte(source, i));
      return false;
    }
    const auto c = static_cast<unsigned char>(text[i]);
    if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F) {
      problems.add("E0101", "control character " + std::to_string(c) + " is not part of a pipeline", place_of_byte(source, i));
      return false;
    }
    i += length;
  }
  return true;
}

/// Directives are taken silently by the parser, so they are looked for in the lines before the first content.
bool has_directive(const std::shared_ptr<const Source>& source, Problems& problems) {
  for (size_t line = 0; line < source->lines.size(); ++line) {
    const size_t start = source->lines[line];
    const size_t first = source->text.find_first_not_of(" \t\r", start);
    if (first == std::string::npos) return false;
    if (source->text[first] == '\n' || source->text[first] == '#') continue;
    if (source->text[start] != '%') return false;
    problems.add("E0104", "directives ('%') are not part of a pipeline", place_of_byte(source, start));
    return true;
  }
  return false;
}

/// A run of opening brackets makes the parser look ahead to the end of the file for each: it is refused before.
bool is_too_deep(const std::shared_ptr<const Source>& source, Problems& problems) {
  size_t run = 0;
  for (size_t i = 0; i < source->text.size(); ++i) {
    const char c = source->text[i];
    if (c == '[' || c == '{') ++run;
    else if (c != ' ' && c != '\n') run = 0;
    if (run <= kDeepest) continue;
    problems.add("E0102", "a pipeline has at most 64 levels", place_of_byte(source, i));
    return true;
  }
  return false;
}

}  // namespace

std::shared_ptr<const Source> make_source(const std::string& name, const std::string& text) {
  Source source{.name = name, .text = text, .lines = {0}};
  for (size_t i = 0; i < text.size(); ++i)
    if (text[i] == '\n') source.lines.push_back(i + 1);
  return std::make_shared<const Source>(std::move(source));
}

bool is_readable(const std::shared_ptr<const Source>& source, Problems& problems) {
  return is_plain_text(source, problems) && !has_directive(source, problems) && !is_too_deep(source, problems);
}

}  // namespace espalier
