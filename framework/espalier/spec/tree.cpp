#include "espalier/spec/tree.h"

#include "espalier/spec/source.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <sstream>
#include <unordered_map>

namespace espalier {

namespace {

constexpr size_t kMostBytes = 1 << 20;
constexpr size_t kMostValues = 100000;

/// Ends the parsing after a mistake that leaves no sense in going on; the mistake is already noted.
struct Stop {};

/// Builds a Tree from events.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::shared_ptr<const Source> source, Problems& problems) : source_(std::move(source)), problems_(problems) {}

  Tree root = {};
  bool seen = false;

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (!seen) return;
    problems_.add("E0104", "a second document is not part of a pipeline: one file holds one", place(mark, 3));
    throw Stop{};
  }
  void OnDocumentEnd() override {
    tell_empty();
    seen = true;
  }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    tell_empty();
    refuse_anchor(mark, anchor);
    const std::string word = word_at(mark);
    const bool written = word == "~" || word == "null";
    if (at_key()) {
      problems_.add("E0105", "a key is missing here", place(mark));
      return give_key("", place(mark));
    }
    if (!written) refuse_empty(mark, word);
    take({.is = Tree::Is::nothing, .text = "~", .missing = !written, .place = place(mark, word.size())});
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    tell_empty();
    refuse_anchor(mark, 1);
    give({.is = Tree::Is::nothing, .missing = true, .place = place(mark)});
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override {
    tell_empty();
    refuse_anchor(mark, anchor);
    const bool quoted = check_tag(mark, tag);
    if (quoted) check_closed(mark);
    give({.is = Tree::Is::scalar, .text = value, .quoted = quoted, .place = place(mark, length_of(value, quoted))});
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Tree::Is::list);
  }
  void OnSequenceEnd() override {
    tell_empty();
    close();
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Tree::Is::map);
  }
  void OnMapEnd() override {
    tell_empty();
    close();
  }

  /// An empty value is told when what follows could be read: where the text breaks off right after it, that is the mistake.
  void tell_empty() {
    if (empty_) problems_.add(std::move(*empty_));
    empty_.reset();
  }

  Place place(const YAML::Mark& mark, size_t length = 1) const {
    return {source_, mark.line + 1, mark.column + 1, static_cast<int>(std::clamp<size_t>(length, 1, 80))};
  }

 private:
  struct Frame {
    Tree tree;
    bool as_key = false;
    std::optional<Member> pending = std::nullopt;
    std::unordered_map<std::string, Place> keys = {};
  };

  static size_t length_of(const std::string& value, bool quoted) {
    return std::min(value.find('\n'), value.size()) + (quoted ? 2 : 0);
  }
  bool at_key() const { return !stack_.empty() && stack_.back().tree.is_map() && !stack_.back().pending; }

  char character_at(const YAML::Mark& mark) const {
    const Place at = place(mark);
    if (static_cast<size_t>(at.line) > source_->lines.size()) return ' ';
    const size_t byte = source_->lines[static_cast<size_t>(mark.line)] + static_cast<size_t>(mark.column);
    return byte < source_->text.size() ? source_->text[byte] : ' ';
  }

  std::string word_at(const YAML::Mark& mark) const {
    const Place at = place(mark);
    if (static_cast<size_t>(at.line) > source_->lines.size()) return "";
    const size_t byte = source_->lines[static_cast<size_t>(mark.line)] + static_cast<size_t>(mark.column);
    if (byte >= source_->text.size()) return "";
    const size_t end = source_->text.find_first_of(" \t\r\n,]}#:", byte);
    return source_->text.substr(byte, std::min(end, source_->text.size()) - byte);
  }

  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor == YAML::NullAnchor) return;
    problems_.add("E0104", "anchors and aliases are not part of a pipeline; share a file with 'include', a value with '{same: NAME}'",
                  place(mark));
  }

  /// Returns whether the scalar was quoted: the parser gives it the tag "!", as it does for a written one.
  bool check_tag(const YAML::Mark& mark, const std::string& tag) {
    const char first = character_at(mark);
    if (tag.empty() || tag == "?") return false;
    if (tag == "!" && first != '!') return true;
    problems_.add("E0104", "tags ('!') are not part of a pipeline: a value is read by the type of its place", place(mark));
    return false;
  }

  void refuse_empty(const YAML::Mark& mark, const std::string& word) {
    const std::string way = " has no value; to take away an inherited one, write '~'";
    Problem problem{.code = "E0106", .message = "an item of the list has no value", .where = place(mark).position()};
    if (word == "Null" || word == "NULL") {
      problem.message = "'" + word + "' is no value; to take away an inherited one, write '~'";
      problem.where = place(mark, word.size()).position();
    } else if (stack_.empty()) {
      problem.message = "the file is empty; a pipeline has 'data' and 'graph'";
    } else if (stack_.back().tree.is_map()) {
      problem.message = "'" + stack_.back().pending->key + "'" + way;
      problem.where = stack_.back().pending->place.position();
    }
    empty_ = std::move(problem);
  }

  /// The parser takes the end of the file for the end of a quoted text.
  void check_closed(const YAML::Mark& mark) {
    const std::string& text = source_->text;
    size_t byte = source_->lines[static_cast<size_t>(mark.line)] + static_cast<size_t>(mark.column);
    const char quote = character_at(mark);
    if (quote != '"' && quote != '\'') return;
    while (++byte < text.size()) {
      if (text[byte] == '\\' && quote == '"') ++byte;
      else if (text[byte] == quote && quote == '\'' && byte + 1 < text.size() && text[byte + 1] == quote) ++byte;
      else if (text[byte] == quote) return;
    }
    problems_.add("E0100", "this is not YAML: the text that begins here has no closing quote", place(mark));
    throw Stop{};
  }

  void count(const Place& at) {
    if (++values_ <= kMostValues) return;
    problems_.add("E0102", "a pipeline has at most 100000 values", at);
    throw Stop{};
  }

  /// A finished value goes to its place: a key, the value of one, an item or the root.
  void give(Tree tree) {
    if (!at_key()) return take(std::move(tree));
    if (!tree.is_scalar()) {
      problems_.add("E0105", "a key is plain text, not a list or a map", tree.place);
      return give_key("", tree.place);
    }
    if (tree.text == "<<" && !tree.quoted)
      return problems_.add("E0104", "merge keys ('<<') are not part of a pipeline; build on another file with 'include'", tree.place),
             give_key("", tree.place);
    give_key(tree.text, tree.place);
  }

  void give_key(const std::string& key, const Place& at) {
    Frame& frame = stack_.back();
    frame.pending = Member{.key = key, .place = at, .value = {}};
    if (key.empty()) return;
    const auto [first, fresh] = frame.keys.emplace(key, at);
    if (fresh) return;
    problems_.add("E0103", "'" + key + "' is given twice" + owner() + "; first at " + std::to_string(first->second.line) + ":" +
                               std::to_string(first->second.column), at);
    frame.pending->key.clear();
  }

  /// " in node 'trunk'", " in 'train.optimizer'" or, at the top, nothing.
  std::string owner() const {
    std::vector<std::string> path;
    for (size_t i = 0; i + 1 < stack_.size(); ++i)
      if (stack_[i].pending) path.push_back(stack_[i].pending->key);
    if (path.empty()) return "";
    return path.size() == 2 && path[0] == "graph" ? " in node '" + path[1] + "'" : " in '" + join(path, ".") + "'";
  }

  void take(Tree tree) {
    count(tree.place);
    if (stack_.empty()) {
      root = std::move(tree);
      return;
    }
    Frame& frame = stack_.back();
    if (frame.tree.is_list()) {
      frame.tree.items.push_back(std::move(tree));
      return;
    }
    frame.pending->value = std::move(tree);
    if (!frame.pending->key.empty()) frame.tree.members.push_back(std::move(*frame.pending));
    frame.pending.reset();
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Tree::Is is) {
    tell_empty();
    refuse_anchor(mark, anchor);
    check_tag(mark, tag);
    if (stack_.size() >= kDeepest) {
      problems_.add("E0102", "a pipeline has at most 64 levels", place(mark));
      throw Stop{};
    }
    const bool as_key = at_key();
    stack_.push_back({.tree = {.is = is, .place = place(mark)}, .as_key = as_key});
  }

  void close() {
    Frame frame = std::move(stack_.back());
    stack_.pop_back();
    give(std::move(frame.tree));
  }

  std::shared_ptr<const Source> source_;
  Problems& problems_;
  std::vector<Frame> stack_;
  std::optional<Problem> empty_ = std::nullopt;
  size_t values_ = 0;
};

std::string plain_words(const std::string& message) {
  static const std::map<std::string, std::string> kWords = {
      {"end of map flow not found", "a '{' above is not closed by '}'"},
      {"end of sequence flow not found", "a '[' above is not closed by ']'"},
      {"illegal flow end", "this bracket closes none that is open"},
      {"end of map not found", "the line is indented like none above it"},
      {"end of sequence not found", "the line is indented like none above it"},
      {"illegal block entry", "an item of a list cannot begin here (spaces indent, tabs do not)"},
      {"illegal map value", "a ':' cannot stand here; text that holds one is quoted"},
      {"illegal EOF in scalar", "a quoted text has no closing quote"}};
  const auto found = kWords.find(message);
  return found == kWords.end() ? message : found->second;
}

/// The parser's own messages, as sentences of ours.
void note_syntax(const YAML::ParserException& error, const TreeBuilder& builder, Problems& problems) {
  const bool alias = error.msg.find("anchor") != std::string::npos;
  if (alias)
    problems.add("E0104", "anchors and aliases are not part of a pipeline; share a file with 'include', a value with '{same: NAME}'",
                 builder.place(error.mark));
  else
    problems.add("E0100", "this is not YAML: " + plain_words(error.msg), builder.place(error.mark));
}

}  // namespace

const Member* Tree::member(const std::string& key) const {
  for (const Member& member : members)
    if (member.key == key) return &member;
  return nullptr;
}

const Tree* Tree::find(const std::string& key) const {
  const Member* found = member(key);
  return found == nullptr ? nullptr : &found->value;
}

Tree parse_yaml(const std::string& name, const std::string& text, Problems& problems) {
  const auto source = make_source(name, text);
  if (text.size() > kMostBytes) {
    problems.add("E0102", "a pipeline file has at most 1 MiB, this one has " + std::to_string(text.size()) + " bytes",
                 {source, 1, 1, 1});
    return {};
  }
  if (!is_readable(source, problems)) return {};
  TreeBuilder builder(source, problems);
  std::istringstream stream(text);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
    if (!builder.seen) problems.add("E0106", "the file is empty; a pipeline has 'data' and 'graph'", {source, 1, 1, 1});
  } catch (const Stop&) {
  } catch (const YAML::ParserException& error) {
    note_syntax(error, builder, problems);
  }
  return std::move(builder.root);
}

Tree parse_yaml(const std::string& name, const std::string& text) {
  Problems problems;
  Tree tree = parse_yaml(name, text, problems);
  problems.raise();
  return tree;
}

std::string read_text(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::error_code error;
  require(stream.good() && !std::filesystem::is_directory(file, error), "E0110", "cannot read '" + file.string() + "'");
  std::string text;
  text.resize(kMostBytes + 1);
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(stream.gcount()));
  require(text.size() <= kMostBytes, "E0102", "'" + file.string() + "' has more than 1 MiB, too much for a pipeline");
  return text;
}

Tree read_yaml(const std::filesystem::path& file, Problems& problems) {
  return parse_yaml(file.string(), read_text(file), problems);
}

}  // namespace espalier
