#include "espalier/spec/expression_tokens.h"

#include "espalier/spec/units.h"

#include <cctype>
#include <optional>

namespace espalier {

namespace {

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
    refuse_expression("expression '" + text_ + "' has an unexpected '" + std::string(1, c) + "'" +
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
    if (!value) refuse_expression("'" + word + "' is not a number", start, text_);
    if (unit.empty()) return {Token::Is::number, word, start, Json(*value)};
    if (const auto factor = time_unit(unit)) return {Token::Is::number, word, start, Json(*value * *factor), Kind::time};
    if (const auto factor = size_unit(unit)) return {Token::Is::number, word, start, Json(*value * *factor), Kind::size};
    refuse_expression("'" + unit + "' is no unit; units: ms, s, m, h, d, B, kB, MB, GB, TB, KiB, MiB, GiB, TiB", unit_start, text_);
  }

  Token name() {
    const size_t start = at_;
    while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]) || text_[at_] == '.')) ++at_;
    return {Token::Is::name, text_.substr(start, at_ - start), start};
  }

  Token quoted(char quote) {
    const size_t start = at_++;
    const size_t end = text_.find(quote, at_);
    if (end == std::string::npos) refuse_expression("the quote that opens here is never closed", start, text_);
    const std::string word = text_.substr(at_, end - at_);
    at_ = end + 1;
    return {Token::Is::text, word, start, Json(word)};
  }

  const std::string& text_;
  size_t at_ = 0;
};

}  // namespace

void refuse_expression(const std::string& message, size_t at, const std::string& text, const std::string& code) {
  throw Error(Problem{.code = code, .message = message,
                      .where = {.file = "", .line = 0, .column = static_cast<int>(at) + 1, .length = 1, .text = text}});
}

std::vector<Token> tokens_of(const std::string& text) { return Lexer(text).run(); }

}  // namespace espalier
