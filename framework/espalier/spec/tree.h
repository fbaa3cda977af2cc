#pragma once

#include "espalier/error.h"
#include "espalier/spec/problems.h"

#include <filesystem>
#include <string>
#include <vector>

namespace espalier {

struct Member;

/// A value with its place: what YAML text becomes before anyone knows what it means.
struct Tree {
  enum class Is { nothing, scalar, list, map } is = Is::nothing;  ///< nothing: `~` or `null`
  std::string text = {};
  bool quoted = false;
  bool missing = false;  ///< nothing stands there, which has been told: no further mistake follows from it
  bool as_path = false;  ///< a map that only spells a path of the command line: `a.b=1` is {a: {b: 1}}
  Place place = {};
  std::vector<Tree> items = {};
  std::vector<Member> members = {};

  bool is_scalar() const { return is == Is::scalar; }
  bool is_list() const { return is == Is::list; }
  bool is_map() const { return is == Is::map; }
  bool is_nothing() const { return is == Is::nothing; }
  /// Nullptr if there is no such key.
  const Tree* find(const std::string& key) const;
  const Member* member(const std::string& key) const;
};

struct Member {
  std::string key;
  Place place;
  Tree value;
};

/// Parses the YAML subset of pipelines (section 1): one document, no anchors, aliases, tags, merge keys or directives, no
/// key twice, at most 1 MiB, 64 levels and 100,000 values. What is wrong goes to `problems` (E0101 to E0107).
Tree parse_yaml(const std::string& name, const std::string& text, Problems& problems);

/// As above, but throws.
Tree parse_yaml(const std::string& name, const std::string& text);

/// Reads and parses a file. Throws E0110 if it cannot be read.
Tree read_yaml(const std::filesystem::path& file, Problems& problems);

/// Returns the whole of a file. Throws E0110 if it cannot be read, E0102 if it is above 1 MiB.
std::string read_text(const std::filesystem::path& file);

}  // namespace espalier
