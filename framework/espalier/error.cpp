#include "espalier/error.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace espalier {

Error::Error(Problem problem) : Error(std::vector<Problem>{std::move(problem)}) {}

Error::Error(std::vector<Problem> problems) : problems_(std::move(problems)) {
  assert(!problems_.empty());
  for (const Problem& p : problems_) text_ += (text_.empty() ? "" : "\n") + render(p);
}

Error::~Error() = default;

int Error::exit_code() const {
  switch (problems_.front().code.size() > 1 ? problems_.front().code[1] : '0') {
    case '0': return 2;
    case '1': return 3;
    case '2': return 4;
    case '3': return 5;
    default: return 1;
  }
}

void fail(const std::string& code, const std::string& message, const std::string& hint) {
  throw Error(Problem{.code = code, .message = message, .hint = hint});
}

void require(bool condition, const std::string& code, const std::string& message) {
  if (!condition) fail(code, message);
}

std::string render(const Problem& problem, bool colour) {
  const char* red = colour ? "\033[1;31m" : "";
  const char* bold = colour ? "\033[1m" : "";
  const char* off = colour ? "\033[0m" : "";
  std::string out = std::string(red) + "error " + problem.code + off + ": " + bold + problem.message + off + "\n";
  const Position& at = problem.where;
  if (!at.file.empty()) {
    out += "  " + at.file;
    if (at.line > 0) out += ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
    out += "\n";
  }
  if (at.line > 0 && !at.text.empty()) {
    // A very long line is shown around its mistake, so that a terminal keeps the caret under the value.
    constexpr size_t kWindow = 100;
    const size_t column = static_cast<size_t>(std::max(at.column, 1)) - 1;
    const size_t start = column > kWindow / 2 && at.text.size() > kWindow ? column - kWindow / 2 : 0;
    const std::string number = std::to_string(at.line);
    out += "  " + number + " | " + at.text.substr(start, kWindow) + "\n";
    const size_t room = kWindow - std::min(column - start, kWindow - 1);
    const size_t carets = std::clamp<size_t>(static_cast<size_t>(std::max(at.length, 1)), 1, room);
    out += "  " + std::string(number.size(), ' ') + " | " + std::string(column - start, ' ') + red +
           std::string(carets, '^') + off + (problem.hint.empty() ? "" : " " + problem.hint) + "\n";
  } else if (!problem.hint.empty()) {
    out += "  " + problem.hint + "\n";
  }
  for (const std::string& note : problem.notes) out += "  " + note + "\n";
  return out;
}

namespace {

/// Damerau-Levenshtein distance with adjacent transpositions (doi:10.1145/363958.363994).
size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i)
    for (size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

}  // namespace

std::string nearest(const std::string& word, const std::vector<std::string>& names) {
  constexpr size_t kLongest = 64;  // names are at most this long: longer words are near to none
  if (word.size() > kLongest) return "";
  std::string best;
  size_t best_distance = word.size() / 4 + 2;
  for (const std::string& name : names) {
    if (name.size() > kLongest) continue;
    const size_t d = distance(word, name);
    if (d < best_distance) best = name, best_distance = d;
  }
  return best;
}

std::string join(const std::vector<std::string>& words, const std::string& separator) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : separator) + word;
  return out;
}

}  // namespace espalier
