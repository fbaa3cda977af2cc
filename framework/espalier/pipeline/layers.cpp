#include "espalier/pipeline/layers.h"

#include "espalier/pipeline/layer.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace espalier {

namespace {

/// One word of the command line, taken apart.
struct Override {
  std::string text;
  std::string path;
  bool removes = false;
  Tree value = {};
  Place place = {};
};

/// Spells `a.b.c` with a value as {a: {b: {c: VALUE}}}; nodes are put under `graph`.
Tree spell(const std::string& path, const Tree& value, const Place& place) {
  std::string full = path;
  const std::string top = path.substr(0, path.find('.'));
  static const std::set<std::string> kSections = {"data", "graph", "train", "search", "run", "seed", "include", "variants"};
  if (!kSections.contains(top)) full = "graph." + path;
  Tree tree = value;
  for (size_t end = full.size(); end != std::string::npos;) {
    const size_t dot = full.rfind('.', end - 1);
    const size_t start = dot == std::string::npos ? 0 : dot + 1;
    Tree around{.is = Tree::Is::map, .text = {}, .quoted = false, .as_path = true, .place = place};
    around.members.push_back({full.substr(start, end - start), place, std::move(tree)});
    tree = std::move(around);
    end = dot;
  }
  return tree;
}

bool is_path(const std::string& path) {
  return !path.empty() && path.front() != '.' && path.back() != '.' && path.find("..") == std::string::npos;
}

/// Reads layers one after the other.
class LayerStack {
 public:
  LayerStack(const Catalogue& catalogue, Assignments& assignments, Problems& problems)
      : assignments_(assignments), problems_(problems), reader_(catalogue, assignments, problems) {}

  /// A file after what it includes. A file met twice counts once; a cycle is a mistake.
  void file(const std::filesystem::path& path, const Place& from) {
    std::error_code ignored;
    const std::filesystem::path real = std::filesystem::weakly_canonical(path, ignored);
    if (std::ranges::find(open_, real) != open_.end()) {
      std::vector<std::string> way;
      for (const auto& part : open_) way.push_back(part.filename().string());
      way.push_back(real.filename().string());
      return problems_.add("E0601", fmt::format("the files include each other: {}", join(way, " -> ")), from);
    }
    if (!done_.insert(real).second) return;
    Tree tree;
    const size_t before = problems_.size();
    try {
      tree = read_yaml(path, problems_);
    } catch (const Error& error) {
      for (Problem problem : error.problems()) {
        if (from.source) problem.where = from.position();
        problems_.add(std::move(problem));
      }
    }
    if (problems_.size() != before) readable_ = false;
    open_.push_back(real);
    if (const Tree* include = tree.find("include")) includes(*include, path.parent_path());
    open_.pop_back();
    if (tree.is_map()) collect_variants(tree);
    if (tree.is_map() || problems_.size() == before) reader_.read(tree, "file " + path.string());
  }

  void variants(const std::vector<std::string>& wanted) {
    std::set<std::string> axes;
    std::map<std::string, std::string> paths;
    for (const std::string& word : wanted) {
      const size_t equals = word.find('=');
      const std::string axis = word.substr(0, equals);
      const std::string name = equals == std::string::npos ? "" : word.substr(equals + 1);
      if (!axes.insert(axis).second) fail_plain("E0605", fmt::format("variant '{}' is given twice: one name of each axis", axis));
      const auto found = variants_.find(axis);
      const auto chosen = found == variants_.end() ? nullptr : found->second.contains(name) ? &found->second.at(name) : nullptr;
      if (chosen == nullptr) {
        unknown_variant(axis, name);
        continue;
      }
      for (const Member& member : chosen->members) {
        if (const auto [other, fresh] = paths.emplace(member.key, word); !fresh)
          problems_.add("E0605", fmt::format("variants {} and {} both set {}", other->second, word, member.key), member.place);
        apply(member.key, member.value, member.place, "variant " + word);
      }
    }
  }

  /// A file that says how this machine runs, and nothing that changes what is computed.
  void profile(const std::filesystem::path& path) {
    const Tree tree = read_yaml(path, problems_);
    Tree kept{.is = Tree::Is::map, .place = tree.place};
    for (const Member& member : tree.members) {
      if (member.key == "run") kept.members.push_back(member);
      else if (member.key.rfind("x-", 0) != 0)
        problems_.add("E0203", fmt::format("a profile holds 'run' alone, not '{}': all else belongs to the pipeline", member.key), member.place);
    }
    reader_.read(kept, "file " + path.string());
  }

  void overrides(const std::vector<std::string>& words) {
    std::vector<Override> all;
    std::set<std::string> seen;
    for (const std::string& word : words) {
      if (std::optional<Override> one = read_override(word)) {
        if (!seen.insert((one->removes ? "~" : "") + one->path).second)
          problems_.add("E0606", fmt::format("'{}' is given twice on the command line", one->path), one->place);
        all.push_back(std::move(*one));
      }
    }
    // Removals first, then shorter paths: the order on the command line means nothing.
    std::ranges::stable_sort(all, {}, [](const Override& o) { return std::pair(!o.removes, std::ranges::count(o.path, '.')); });
    for (const Override& one : all) {
      Tree value = one.value;
      if (one.removes) value = {.is = Tree::Is::nothing, .text = "~", .place = one.place};
      apply(one.path, value, one.place, "command line");
    }
  }

  bool readable() const { return readable_; }

 private:
  void includes(const Tree& include, const std::filesystem::path& folder) {
    const auto one = [&](const Tree& item) {
      constexpr size_t kMostFiles = 256;
      if (++included_ > kMostFiles) {
        problems_.add("E0601", "more than 256 files are included", item.place);
        problems_.raise();
      }
      if (!item.is_scalar()) return problems_.add("E0202", "include takes a path or a list of paths", item.place);
      file(folder / item.text, item.place);
    };
    if (!include.is_list()) return one(include);
    for (const Tree& item : include.items) one(item);
  }

  void collect_variants(const Tree& tree) {
    const Tree* variants = tree.find("variants");
    if (variants == nullptr) return;
    if (!variants->is_map()) return problems_.add("E0202", "variants is a map AXIS: {NAME: {PATH: VALUE}}", variants->place);
    for (const Member& axis : variants->members) {
      if (axis.value.is_nothing()) variants_.erase(axis.key);
      for (const Member& name : axis.value.members) {
        if (!name.value.is_map()) problems_.add("E0202", fmt::format("variant {}={} is a map PATH: VALUE", axis.key, name.key), name.place);
        else variants_[axis.key][name.key] = name.value;
      }
    }
  }

  void unknown_variant(const std::string& axis, const std::string& name) {
    std::vector<std::string> known;
    for (const auto& [other, names] : variants_)
      for (const auto& [one, tree] : names) known.push_back(other + "=" + one);
    const std::string near = nearest(axis + "=" + name, known);
    problems_.add(Problem{.code = "E0605", .message = fmt::format("there is no variant '{}={}'", axis, name), .where = {},
                          .hint = near.empty() ? "" : fmt::format("did you mean '{}'?", near),
                          .notes = {known.empty() ? "this pipeline has no variants" : "variants: " + join(known)}});
  }

  void fail_plain(const std::string& code, const std::string& message) { problems_.add(Problem{.code = code, .message = message}); }

  std::optional<Override> read_override(const std::string& word) {
    const auto source = std::make_shared<const Source>(Source{.name = "command line", .text = word, .lines = {0}});
    const Place place{source, 1, 1, static_cast<int>(std::min<size_t>(word.size(), 80))};
    if (!word.empty() && word[0] == '~') {
      if (word.find('=') == std::string::npos && is_path(word.substr(1))) return Override{word, word.substr(1), true, {}, place};
      problems_.add("E0607", fmt::format("'{}' is no removal; write ~PATH", word), place);
      return std::nullopt;
    }
    const size_t equals = word.find('=');
    if (equals == std::string::npos || !is_path(word.substr(0, equals))) {
      problems_.add("E0607", fmt::format("'{}' is no override; write PATH=VALUE or ~PATH", word), place);
      return std::nullopt;
    }
    // The path is blanked out, so that the places of the value are columns of the whole word.
    Problems own;
    Override out{word, word.substr(0, equals), false, {}, place};
    try {
      const std::string value = word.substr(equals + 1);
      require(!value.empty(), "E0106", fmt::format("'{}' has no value; to take it away, write '~{}'", out.path, out.path));
      // Expressions hold what YAML reads as its own (`age >= 18` after a colon is fine, a leading '>' is not).
      out.value = parse_yaml("command line", value);
    } catch (const Error& error) {
      for (Problem problem : error.problems()) {
        problem.where.column += static_cast<int>(equals) + 1;
        if (problem.where.line <= 1) problem.where = {.file = "command line", .line = 1, .column = problem.where.column, .length = 1, .text = word};
        problems_.add(std::move(problem));
      }
      return std::nullopt;
    }
    move_places(out.value, source, static_cast<int>(equals) + 1);
    return out;
  }

  /// Values are told with the whole word, not with what stands after its '='.
  static void move_places(Tree& tree, const std::shared_ptr<const Source>& source, int shift) {
    tree.place.source = source;
    if (tree.place.line == 1) tree.place.column += shift;
    for (Tree& item : tree.items) move_places(item, source, shift);
    for (Member& member : tree.members) {
      member.place.source = source;
      if (member.place.line == 1) member.place.column += shift;
      move_places(member.value, source, shift);
    }
  }

  void apply(const std::string& path, const Tree& value, const Place& place, const std::string& origin) {
    if (value.missing) return;
    if (value.is_nothing()) return remove(path, place, origin);
    reader_.read(spell(path, value, place), origin);
  }

  void remove(const std::string& path, const Place& place, const std::string& origin) {
    const std::string full = reader_.full_path(path);
    const size_t dot = full.rfind('.');
    const Leaf* list = dot == std::string::npos ? nullptr : assignments_.find(full.substr(0, dot));
    if (list != nullptr && list->value.is_list() && full.rfind("data.", 0) == 0)
      return reader_.read(spell(path, {.is = Tree::Is::nothing, .text = "~", .place = place}, place), origin);
    if (assignments_.remove(full)) return;
    problems_.add("E0603", fmt::format("nothing to remove at {}: it has its default", full), place);
  }

  Assignments& assignments_;
  Problems& problems_;
  LayerReader reader_;
  std::vector<std::filesystem::path> open_;
  std::set<std::filesystem::path> done_;
  std::map<std::string, std::map<std::string, Tree>> variants_;
  size_t included_ = 0;
  bool readable_ = true;
};

}  // namespace

bool read_layers(const PipelineRequest& request, const Catalogue& catalogue, Assignments& assignments, Problems& problems) {
  LayerStack stack(catalogue, assignments, problems);
  stack.file(request.file, {});
  stack.variants(request.variants);
  if (!request.profile.empty()) stack.profile(request.profile);
  stack.overrides(request.overrides);
  return stack.readable();
}

}  // namespace espalier
