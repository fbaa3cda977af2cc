#include "espalier/spec/expression.h"

#include "espalier/spec/units.h"

#include <algorithm>
#include <cctype>

namespace espalier {

enum class Op { literal, name, missing, negate, add, subtract, multiply, divide, less, at_most, more, at_least, equal,
                unequal, in, logical_and, logical_or, logical_not };

/// Units keep a literal from being compared with one of another kind.
enum class Kind { plain, time, size };

struct Term {
  Op op = Op::literal;
  std::vector<std::shared_ptr<const Term>> parts = {};
  std::string name = {};
  Json value = {};
  Kind kind = Kind::plain;
  size_t at = 0;   ///< of its first sign in the text; of what joins two terms, its own
};

namespace {

using Node = std::shared_ptr<const Term>;

struct Token {
  enum class Is { number, text, name, sign, end } is = Is::end;
  std::string text;
  size_t at = 0;
  Json value = {};
  Kind kind = Kind::plain;
};

[[noreturn]] void refuse(const std::string& message, size_t at, const std::string& text, const std::string& code = "E0701") {
  throw Error(Problem{.code = code, .message = message,
                      .where = {.file = "", .line = 0, .column = static_cast<int>(at) + 1, .length = 1, .text = text}});
}

bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Cuts the text into tokens.
class Lexer {
 public:
  explicit Lexer(const std::string& text) : text_(text) {}

  std::vector<Token> run() {
    std::vector<Token> out;
    for (;;) {
      while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
      if (at_ >= text_.size()) break;
      out.push_back(next());
    }
    out.push_back({Token::Is::end, "the end", text_.size()});
    return out;
  }

 private:
  Token next() {
    const char c = text_[at_];
    if (is_digit(c)) return number();
    if (is_letter(c)) return name();
    if (c == '"' || c == '\'') return quoted(c);
    const size_t start = at_;
    for (const char* sign : {"<=", ">=", "==", "!=", "<", ">", "+", "-", "*", "/", "(", ")", "[", "]", ","}) {
      if (text_.compare(at_, std::char_traits<char>::length(sign), sign) != 0) continue;
      at_ += std::char_traits<char>::length(sign);
      return {Token::Is::sign, sign, start};
    }
    refuse("expression '" + text_ + "' has an unexpected '" + std::string(1, c) + "'" +
               (c == '=' ? "; write '==' to compare" : ""), at_, text_);
  }

  Token number() {
    const size_t start = at_;
    while (at_ < text_.size() && (is_digit(text_[at_]) || text_[at_] == '.')) ++at_;
    // An exponent is told from a unit by the digits after it.
    if (at_ < text_.size() && (text_[at_] == 'e' || text_[at_] == 'E')) {
      size_t i = at_ + 1;
      if (i < text_.size() && (text_[i] == '-' || text_[i] == '+')) ++i;
      if (i < text_.size() && is_digit(text_[i])) {
        while (i < text_.size() && is_digit(text_[i])) ++i;
        at_ = i;
      }
    }
    const std::optional<double> value = read_number(text_.substr(start, at_ - start));
    const size_t unit_start = at_;
    while (at_ < text_.size() && is_letter(text_[at_])) ++at_;
    const std::string unit = text_.substr(unit_start, at_ - unit_start);
    const std::string word = text_.substr(start, at_ - start);
    if (!value) refuse("'" + word + "' is not a number", start, text_);
    if (unit.empty()) return {Token::Is::number, word, start, Json(*value)};
    if (const auto factor = time_unit(unit)) return {Token::Is::number, word, start, Json(*value * *factor), Kind::time};
    if (const auto factor = size_unit(unit)) return {Token::Is::number, word, start, Json(*value * *factor), Kind::size};
    refuse("'" + unit + "' is no unit; units: ms, s, m, h, d, B, kB, MB, GB, TB, KiB, MiB, GiB, TiB", unit_start, text_);
  }

  Token name() {
    const size_t start = at_;
    while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]) || text_[at_] == '.')) ++at_;
    return {Token::Is::name, text_.substr(start, at_ - start), start};
  }

  Token quoted(char quote) {
    const size_t start = at_++;
    const size_t end = text_.find(quote, at_);
    if (end == std::string::npos) refuse("the quote that opens here is never closed", start, text_);
    const std::string word = text_.substr(at_, end - at_);
    at_ = end + 1;
    return {Token::Is::text, word, start, Json(word)};
  }

  const std::string& text_;
  size_t at_ = 0;
};

/// Recursive descent over the grammar, one function a rule.
class ExpressionParser {
 public:
  explicit ExpressionParser(const std::string& text) : text_(text), tokens_(Lexer(text).run()) {}

  Node run() {
    if (peek().is == Token::Is::end) refuse("an expression is expected, such as 'age >= 18'", 0, text_);
    Node root = either();
    if (peek().is != Token::Is::end) unexpected("'and', 'or' or the end");
    return root;
  }

 private:
  static constexpr int kDeepest = 64;

  const Token& peek() const { return tokens_[at_]; }
  bool is_word(const std::string& word) const { return peek().is == Token::Is::name && peek().text == word; }
  bool is_sign(const std::string& sign) const { return peek().is == Token::Is::sign && peek().text == sign; }
  bool take_word(const std::string& word) { return is_word(word) && (++at_, true); }
  bool take_sign(const std::string& sign) { return is_sign(sign) && (++at_, true); }
  [[noreturn]] void unexpected(const std::string& wanted) const {
    refuse("in '" + text_ + "' " + wanted + " is expected, not '" + peek().text + "'", peek().at, text_);
  }
  void close(const std::string& sign) {
    if (!take_sign(sign)) unexpected("'" + sign + "'");
  }
  static Node make(Op op, std::vector<Node> parts, size_t at) {
    return std::make_shared<Term>(Term{.op = op, .parts = std::move(parts), .at = at});
  }

  Node either() {
    if (++depth_ > kDeepest) refuse("the expression is nested too deeply", peek().at, text_);
    Node left = both();
    for (size_t at = peek().at; take_word("or"); at = peek().at) left = make(Op::logical_or, {left, both()}, at);
    --depth_;
    return left;
  }
  Node both() {
    Node left = negated();
    for (size_t at = peek().at; take_word("and"); at = peek().at) left = make(Op::logical_and, {left, negated()}, at);
    return left;
  }
  Node negated() {
    const size_t at = peek().at;
    bool flip = false;
    while (take_word("not")) flip = !flip;
    Node inner = test();
    return flip ? make(Op::logical_not, {inner}, at) : inner;
  }

  static const std::vector<std::pair<std::string, Op>>& comparisons() {
    static const std::vector<std::pair<std::string, Op>> kAll = {{"<", Op::less},      {"<=", Op::at_most}, {">", Op::more},
                                                                 {">=", Op::at_least}, {"==", Op::equal},   {"!=", Op::unequal}};
    return kAll;
  }

  Node test() {
    Node left = sum();
    const size_t at = peek().at;
    for (const auto& [sign, op] : comparisons()) {
      if (!take_sign(sign)) continue;
      const size_t right_at = peek().at;
      Node right = sum();
      if (left->op == Op::literal && right->op == Op::literal && left->kind != right->kind) mixed(right_at);
      for (const auto& [next, ignored] : comparisons())
        if (is_sign(next)) refuse("comparisons cannot be chained; join two with 'and'", peek().at, text_);
      return make(op, {left, right}, at);
    }
    if (!take_word("in")) return left;
    if (!take_sign("[")) unexpected("'['");
    std::vector<Node> parts = {left};
    do parts.push_back(factor());
    while (take_sign(","));
    close("]");
    return make(Op::in, std::move(parts), at);
  }
  [[noreturn]] void mixed(size_t at) const { refuse("'" + text_ + "' compares values of different kinds", at, text_); }

  Node sum() {
    Node left = product();
    for (;;) {
      const size_t at = peek().at;
      if (take_sign("+")) left = make(Op::add, {left, product()}, at);
      else if (take_sign("-")) left = make(Op::subtract, {left, product()}, at);
      else return left;
    }
  }
  Node product() {
    Node left = factor();
    for (;;) {
      const size_t at = peek().at;
      if (take_sign("*")) left = make(Op::multiply, {left, factor()}, at);
      else if (take_sign("/")) left = make(Op::divide, {left, factor()}, at);
      else return left;
    }
  }
  Node factor() {
    const size_t at = peek().at;
    bool flip = false;
    while (take_sign("-")) flip = !flip;
    Node inner = atom();
    return flip ? make(Op::negate, {inner}, at) : inner;
  }

  Node atom() {
    const Token token = peek();
    if (token.is == Token::Is::number || token.is == Token::Is::text) {
      ++at_;
      return std::make_shared<Term>(Term{.op = Op::literal, .value = token.value, .kind = token.kind, .at = token.at});
    }
    if (take_sign("(")) {
      Node inner = either();
      close(")");
      return inner;
    }
    if (token.is != Token::Is::name || token.text == "and" || token.text == "or" || token.text == "in" || token.text == "not")
      unexpected("a number, a text or a name");
    ++at_;
    if (token.text == "true" || token.text == "false")
      return std::make_shared<Term>(Term{.op = Op::literal, .value = Json(token.text == "true"), .at = token.at});
    if (!is_sign("(")) return std::make_shared<Term>(Term{.op = Op::name, .name = token.text, .at = token.at});
    if (token.text != "missing") refuse("'" + token.text + "' is no function; there is only missing(NAME)", token.at, text_);
    ++at_;
    const Token name = peek();
    if (name.is != Token::Is::name) unexpected("a name");
    ++at_;
    close(")");
    return std::make_shared<Term>(Term{.op = Op::missing, .name = name.text, .at = name.at});
  }

  const std::string& text_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
};

/// Values do not fit; the term that they were computed for says where.
struct Misfit {
  std::string message;
};
[[noreturn]] void misfit(const std::string& what) { throw Misfit{what}; }

std::string show(const Json& value) { return value.is_string() ? "'" + value.get<std::string>() + "'" : value.dump(); }

std::optional<bool> truth(const Json& value) {
  if (value.is_null()) return std::nullopt;
  if (value.is_boolean()) return value.get<bool>();
  // Readers keep flags as numbers (`second_face`).
  if (value.is_number()) return value.get<double>() != 0.0;
  misfit(show(value) + " is neither true nor false");
}

/// True if a flag (true, false) and a number are compared: a reader's flags are numbers.
bool equal(const Json& a, const Json& b) {
  if (a.is_boolean() && b.is_number()) return (a.get<bool>() ? 1.0 : 0.0) == b.get<double>();
  if (b.is_boolean() && a.is_number()) return equal(b, a);
  if (a.is_number() && b.is_number()) return a.get<double>() == b.get<double>();
  if (a.type() != b.type()) misfit(show(a) + " and " + show(b) + " are of different kinds");
  return a == b;
}

class Evaluator {
 public:
  Evaluator(const Lookup& value, const std::string& text) : value_(value), text_(text) {}

  std::optional<bool> truth_of(const Term& term) const {
    try {
      return truth(run(term));
    } catch (const Misfit& found) {
      refuse(found.message, term.at, text_, "E0702");
    }
  }

 private:
  Json run(const Term& term) const {
    try {
      return compute(term);
    } catch (const Misfit& found) {
      refuse(found.message, term.at, text_, "E0702");
    }
  }

  Json compute(const Term& term) const {
    switch (term.op) {
      case Op::literal: return term.value;
      case Op::name: return value_(term.name);
      case Op::missing: return Json(value_(term.name).is_null());
      case Op::negate: return arithmetic(Json(0.0), run(*term.parts[0]), Op::subtract);
      case Op::add:
      case Op::subtract:
      case Op::multiply:
      case Op::divide: return arithmetic(run(*term.parts[0]), run(*term.parts[1]), term.op);
      case Op::logical_and:
      case Op::logical_or: return connect(term);
      case Op::logical_not: {
        const std::optional<bool> inner = truth_of(*term.parts[0]);
        return inner ? Json(!*inner) : Json();
      }
      case Op::in: return member(term);
      default: return compare(term);
    }
  }

  static Json arithmetic(const Json& a, const Json& b, Op op) {
    if (a.is_null() || b.is_null()) return {};
    if (!a.is_number() || !b.is_number()) misfit("cannot compute with " + show(a.is_number() ? b : a));
    const double x = a.get<double>();
    const double y = b.get<double>();
    if (op == Op::add) return x + y;
    if (op == Op::subtract) return x - y;
    if (op == Op::multiply) return x * y;
    return y == 0.0 ? Json() : Json(x / y);
  }

  Json connect(const Term& term) const {
    const bool decisive = term.op == Op::logical_or;
    const std::optional<bool> left = truth_of(*term.parts[0]);
    if (left == decisive) return Json(decisive);
    const std::optional<bool> right = truth_of(*term.parts[1]);
    if (right == decisive) return Json(decisive);
    return left && right ? Json(!decisive) : Json();
  }

  /// A bare name without a value is text where the other side is.
  static void settle_text(const Term& term, Json& value, const Json& other) {
    if (value.is_null() && term.op == Op::name && other.is_string()) value = term.name;
  }

  Json compare(const Term& term) const {
    Json a = run(*term.parts[0]);
    Json b = run(*term.parts[1]);
    if (term.op == Op::equal || term.op == Op::unequal) {
      settle_text(*term.parts[0], a, b);
      settle_text(*term.parts[1], b, a);
      if (a.is_null() || b.is_null()) return {};
      return Json(equal(a, b) == (term.op == Op::equal));
    }
    if (a.is_null() || b.is_null()) return {};
    if (!a.is_number() || !b.is_number()) misfit(show(a) + " and " + show(b) + " have no order");
    const double x = a.get<double>();
    const double y = b.get<double>();
    if (term.op == Op::less) return x < y;
    if (term.op == Op::at_most) return x <= y;
    if (term.op == Op::more) return x > y;
    return x >= y;
  }

  Json member(const Term& term) const {
    const Json a = run(*term.parts[0]);
    if (a.is_null()) return {};
    bool unknown = false;
    for (size_t i = 1; i < term.parts.size(); ++i) {
      Json b = run(*term.parts[i]);
      settle_text(*term.parts[i], b, a);
      if (b.is_null()) unknown = true;
      else if (equal(a, b)) return Json(true);
    }
    return unknown ? Json() : Json(false);
  }

  const Lookup& value_;
  const std::string& text_;
};

size_t find_place(const Term& term, const std::string& name) {
  if ((term.op == Op::name || term.op == Op::missing) && term.name == name) return term.at;
  size_t first = std::string::npos;
  for (const Node& part : term.parts) first = std::min(first, find_place(*part, name));
  return first;
}

void collect(const Term& term, bool bare, bool only_bare, std::vector<std::string>& out) {
  const bool named = term.op == Op::name || term.op == Op::missing;
  if (named && (!only_bare || (bare && term.op == Op::name)) && std::ranges::find(out, term.name) == out.end())
    out.push_back(term.name);
  for (size_t i = 0; i < term.parts.size(); ++i) {
    const bool side = term.op == Op::equal || term.op == Op::unequal || (term.op == Op::in && i > 0);
    collect(*term.parts[i], side, only_bare, out);
  }
}

}  // namespace

Expression parse_expression(const std::string& text) { return {text, ExpressionParser(text).run()}; }

std::optional<bool> holds(const Expression& expression, const Lookup& value) {
  return Evaluator(value, expression.text).truth_of(*expression.root);
}

std::vector<std::string> names(const Expression& expression) {
  std::vector<std::string> out;
  collect(*expression.root, false, false, out);
  return out;
}

size_t place_of(const Expression& expression, const std::string& name) {
  return std::min(find_place(*expression.root, name), expression.text.size());
}

std::vector<std::string> possible_texts(const Expression& expression) {
  std::vector<std::string> out;
  collect(*expression.root, false, true, out);
  return out;
}

}  // namespace espalier
