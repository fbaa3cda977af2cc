#include "espalier/spec/expression.h"
#include "espalier/spec/expression_tokens.h"

#include <utility>

namespace espalier {

namespace {

using Node = std::shared_ptr<const Term>;

/// Recursive descent over the grammar, one function a rule.
class ExpressionParser {
 public:
  explicit ExpressionParser(const std::string& text) : text_(text), tokens_(tokens_of(text)) {}

  Node run() {
    if (peek().is == Token::Is::end) refuse_expression("an expression is expected, such as 'age >= 18'", 0, text_);
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
    refuse_expression("in '" + text_ + "' " + wanted + " is expected, not '" + peek().text + "'", peek().at, text_);
  }
  void close(const std::string& sign) {
    if (!take_sign(sign)) unexpected("'" + sign + "'");
  }
  static Node make(Op op, std::vector<Node> parts, size_t at) {
    return std::make_shared<Term>(Term{.op = op, .parts = std::move(parts), .at = at});
  }

  Node either() {
    if (++depth_ > kDeepest) refuse_expression("the expression is nested too deeply", peek().at, text_);
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
        if (is_sign(next)) refuse_expression("comparisons cannot be chained; join two with 'and'", peek().at, text_);
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
  [[noreturn]] void mixed(size_t at) const { refuse_expression("'" + text_ + "' compares values of different kinds", at, text_); }

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
    if (token.text != "missing") refuse_expression("'" + token.text + "' is no function; there is only missing(NAME)", token.at, text_);
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

}  // namespace

Expression parse_expression(const std::string& text) { return {text, ExpressionParser(text).run()}; }

}  // namespace espalier
