#pragma once

#include "espalier/pipeline/assignments.h"
#include "espalier/pipeline/train_schema.h"

#include <string>
#include <utility>
#include <vector>

namespace espalier {

/// Names that nothing of yours may bear (section 1), and what a name looks like.
bool is_reserved(const std::string& name);
bool is_name(const std::string& text);
/// True for keys such as `x-author`, which a pipeline holds for its readers.
bool is_note(const std::string& key);

/// What a choice was set to: one name, or several to search among; `freed` for `{tune: all}`, `same` for a tie.
struct Selection {
  std::vector<std::pair<std::string, Place>> names;
  bool searched = false;
  bool freed = false;
  std::string same = {};
};
Selection selection_of(const Tree& tree);

/// Turns one layer (a file, a variant, a word of the command line) into assignments, guided by what is declared. Names of
/// keys, blocks and settings are checked here; values where they are used.
class LayerReader {
 public:
  LayerReader(const Catalogue& catalogue, Assignments& assignments, Problems& problems)
      : catalogue_(catalogue), assignments_(assignments), problems_(problems) {}

  /// `origin` names the layer; a file's values add their line and column.
  void read(const Tree& tree, const std::string& origin);

  /// Where a path of section 2 leads: `graph.trunk.depth` and `trunk.depth` to `trunk.resnet.depth`.
  std::string full_path(const std::string& path) const;

 private:
  void graph(const Tree& tree);
  void node(const std::string& name, const Member& member);
  void node_setting(const std::string& name, const std::string& kind, const Member& member);
  void freeze(const std::string& path, const Tree& tree);
  void groups(const Tree& tree);
  void settings(const Declaration& declaration, const std::string& prefix, const Tree& tree, const std::string& owner);
  void setting(const SettingType& type, const std::string& path, const std::string& prefix, const Tree& tree);
  void choice(const std::string& kind, const std::string& path, const std::string& prefix, const Tree& tree);
  void chosen(const std::string& kind, const Member& member, const std::string& prefix);
  void list(const SettingType& type, const std::string& path, const Tree& tree);
  void section(const std::string& path, const Tree& tree);
  void section_value(const std::string& path, const Member& member);
  void list_by_index(const std::string& path, const Tree& tree);
  bool take_away(const std::string& path, const Tree& tree);
  void store(const std::string& path, const Tree& tree, bool whole);
  std::string origin_of(const Tree& tree) const;
  void unknown(const std::string& code, const std::string& what, const Member& member, std::vector<std::string> names,
               const std::string& owner);

  const Catalogue& catalogue_;
  Assignments& assignments_;
  Problems& problems_;
  std::string origin_;
};

}  // namespace espalier
