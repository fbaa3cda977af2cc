#pragma once

#include "espalier/error.h"
#include "espalier/json.h"

#include <memory>
#include <string>
#include <vector>

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

/// Throws what is wrong at byte `at` of an expression's text: E0701 of its grammar, E0702 of its values.
[[noreturn]] void refuse_expression(const std::string& message, size_t at, const std::string& text, const std::string& code = "E0701");

}  // namespace espalier
