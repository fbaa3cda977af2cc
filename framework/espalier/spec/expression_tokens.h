#pragma once

#include "espalier/spec/expression_term.h"

#include <string>
#include <vector>

namespace espalier {

/// A word of an expression; a literal with its value.
struct Token {
  enum class Is { number, text, name, sign, end } is = Is::end;
  std::string text;
  size_t at = 0;
  Json value = {};
  Kind kind = Kind::plain;
};

/// The words of an expression, ending with `end`. Throws E0701.
std::vector<Token> tokens_of(const std::string& text);

}  // namespace espalier
