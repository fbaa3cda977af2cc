#include "espalier/spec/expression.h"

#include "espalier/spec/expression_term.h"

#include <algorithm>

namespace espalier {

namespace {

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
      refuse_expression(found.message, term.at, text_, "E0702");
    }
  }

 private:
  Json run(const Term& term) const {
    try {
      return compute(term);
    } catch (const Misfit& found) {
      refuse_expression(found.message, term.at, text_, "E0702");
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
  for (const std::shared_ptr<const Term>& part : term.parts) first = std::min(first, find_place(*part, name));
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
