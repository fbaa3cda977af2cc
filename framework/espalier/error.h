#pragma once

#include <exception>
#include <string>
#include <vector>

namespace espalier {

/// A place in a text: `file:line:column`, both counted from 1; line 0 means "nowhere in particular".
struct Position {
  std::string file;
  int line = 0;
  int column = 0;
  int length = 1;     ///< columns under the caret
  std::string text;   ///< the whole line, for the caret to stand under
};

/// One mistake: what is wrong, where, and what to do about it.
/// The code's first digit tells the stage and the exit code: E0 pipeline or command (2), E1 plugin (3),
/// E2 data or cache (4), E3 store (5), E4 the work itself (1).
struct Problem {
  std::string code;                ///< such as "E0203"
  std::string message;             ///< lower case, no full stop: what was found, what was expected
  Position where = {};
  std::string hint = {};           ///< stands after the caret: "did you mean 'width'?"
  std::vector<std::string> notes = {};  ///< further lines: the list of names, a command to try
};

/// Carries every mistake that was found together; never empty.
class Error : public std::exception {
 public:
  explicit Error(Problem problem);
  explicit Error(std::vector<Problem> problems);
  ~Error() override;

  const char* what() const noexcept override { return text_.c_str(); }
  const std::vector<Problem>& problems() const { return problems_; }
  /// The process exit code that belongs to the first problem.
  int exit_code() const;

 private:
  std::vector<Problem> problems_;
  std::string text_;
};

/// Throws an Error with one problem and no position.
[[noreturn]] void fail(const std::string& code, const std::string& message, const std::string& hint = "");

/// Throws `fail(code, message)` unless `condition` holds.
void require(bool condition, const std::string& code, const std::string& message);

/// Renders a problem as a person reads it: message, place, line, caret and hint, notes. `colour` adds ANSI colours.
std::string render(const Problem& problem, bool colour = false);

/// Returns the name nearest to `word` (Damerau-Levenshtein distance at most 1 + length / 4), or "" if none is near.
std::string nearest(const std::string& word, const std::vector<std::string>& names);

/// Joins words with commas: "a, b, c".
std::string join(const std::vector<std::string>& words, const std::string& separator = ", ");

}  // namespace espalier
