#pragma once

#include "espalier/error.h"

#include <memory>
#include <string>
#include <vector>

namespace espalier {

/// A text with a name: a file, or one word of the command line.
struct Source {
  std::string name;
  std::string text;
  std::vector<size_t> lines;  ///< where each line starts
};

/// A place in a source, both counted from 1; small, since every value has one.
struct Place {
  std::shared_ptr<const Source> source = nullptr;
  int line = 0;
  int column = 0;
  int length = 1;

  /// With the text of the line, for a caret.
  Position position() const;
};

/// Collects mistakes so that all are told at once, in the order in which they stand.
class Problems {
 public:
  void add(Problem problem);
  void add(const std::string& code, const std::string& message, const Place& place, const std::string& hint = "",
           std::vector<std::string> notes = {});
  /// Takes over what another step found.
  void add(const Error& error);
  bool empty() const { return all_.empty(); }
  size_t size() const { return all_.size(); }
  /// Throws an Error with all of them if there are any.
  void raise();

 private:
  std::vector<Problem> all_;
};

}  // namespace espalier
