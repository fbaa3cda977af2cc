#pragma once

#include "espalier/error.h"
#include "espalier/json.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace espalier {

struct Term;

/// A parsed expression of pipelines (section 8): `age >= 18 and not second_face`. Copy it freely.
struct Expression {
  std::string text;
  std::shared_ptr<const Term> root;
};

/// Gives the value of a name; null stands for unknown (an empty field, a setting of a block that is not chosen).
using Lookup = std::function<Json(const std::string& name)>;

/// Parses an expression. Throws an Error (E0701) that names what stands in the wrong place; `where.column` counts
/// from 1 within the text.
Expression parse_expression(const std::string& text);

/// True, false, or nothing if unknown: `and`, `or`, `not` as in SQL. A bare name without a value is text if it is
/// compared with text. Times are in seconds, sizes in bytes. Throws an Error (E0702) if kinds do not fit; `where.column`
/// counts from 1 within the text.
std::optional<bool> holds(const Expression& expression, const Lookup& value);

/// Every name in the expression once, in order of appearance.
std::vector<std::string> names(const Expression& expression);

/// Where in the text a name stands first, counted from 0; the text's length if nowhere.
size_t place_of(const Expression& expression, const std::string& name);

/// The names among them that may be plain text, as `resnet` in `trunk.block == resnet`.
std::vector<std::string> possible_texts(const Expression& expression);

}  // namespace espalier
