#include "espalier/spec/problems.h"

#include <algorithm>
#include <tuple>

namespace espalier {

namespace {

constexpr size_t kMostProblems = 100;
constexpr size_t kLongestLine = 4096;

}  // namespace

Position Place::position() const {
  if (!source) return {};
  Position at{.file = source->name, .line = line, .column = column, .length = length, .text = {}};
  if (line < 1 || static_cast<size_t>(line) > source->lines.size()) return at;
  const size_t start = source->lines[static_cast<size_t>(line) - 1];
  const size_t next = static_cast<size_t>(line) < source->lines.size() ? source->lines[static_cast<size_t>(line)] : source->text.size();
  size_t end = next;
  while (end > start && (source->text[end - 1] == '\n' || source->text[end - 1] == '\r')) --end;
  // Of a line without end only what is around the mistake is kept: a hundred mistakes may share it.
  if (column <= static_cast<int>(kLongestLine)) at.text = source->text.substr(start, std::min(end - start, kLongestLine));
  return at;
}

void Problems::add(Problem problem) {
  const auto same = [&](const Problem& p) {
    return p.code == problem.code && p.message == problem.message && p.where.line == problem.where.line &&
           p.where.column == problem.where.column;
  };
  if (std::ranges::any_of(all_, same)) return;
  all_.push_back(std::move(problem));
  if (all_.size() < kMostProblems) return;
  all_.back().notes.push_back("further mistakes are not listed");
  raise();
}

void Problems::add(const std::string& code, const std::string& message, const Place& place, const std::string& hint,
                   std::vector<std::string> notes) {
  add(Problem{.code = code, .message = message, .where = place.position(), .hint = hint, .notes = std::move(notes)});
}

void Problems::add(const Error& error) {
  for (const Problem& problem : error.problems()) add(problem);
}

void Problems::raise() {
  if (all_.empty()) return;
  std::vector<Problem> sorted = std::move(all_);
  all_.clear();
  std::ranges::stable_sort(sorted, {}, [](const Problem& p) { return std::tuple(p.where.file, p.where.line, p.where.column); });
  throw Error(std::move(sorted));
}

}  // namespace espalier
