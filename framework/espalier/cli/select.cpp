#include "espalier/cli/select.h"

#include "espalier/cli/command.h"
#include "espalier/spec/expression.h"
#include "espalier/store/best.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>

namespace espalier::cli {

namespace {

/// Puts a mistake of an expression where a caret can stand under it.
[[noreturn]] void point(Problem problem, const std::string& option, const std::string& text) {
  problem.where.file = option;
  problem.where.line = 1;
  problem.where.text = text;
  throw Error(std::move(problem));
}

Field find_field(const std::string& name, const Fields& fields, const std::string& option, const std::string& text, size_t at) {
  const Position where{.column = static_cast<int>(at) + 1, .length = static_cast<int>(name.size())};
  std::optional<Field> field;
  try {
    field = fields.find(name);
  } catch (const Error& error) {
    Problem problem = error.problems().front();
    problem.where = where;
    point(std::move(problem), option, text);
  }
  if (field) return *field;
  point(Problem{.code = "E0703",
                .message = fmt::format("no trial of this study has '{}'", name),
                .where = where,
                .hint = did_you_mean(fields.near(name)),
                .notes = {"names: " + join(fields.common())}}, option, text);
}

std::vector<size_t> fitting(const Expression& expression, const std::map<std::string, Field>& named, const Fields& fields,
                            const std::vector<TrialRecord>& trials) {
  const TrialRecord* trial = nullptr;
  const Lookup lookup = [&](const std::string& name) {
    const auto field = named.find(name);
    return field == named.end() ? Json() : fields.value(*trial, field->second);
  };
  std::vector<size_t> out;
  for (size_t i = 0; i < trials.size(); ++i) {
    trial = &trials[i];
    if (holds(expression, lookup) == true) out.push_back(i);
  }
  return out;
}

/// True if `a` comes before `b`: numbers before words, nothing last.
bool precedes(const Json& a, const Json& b, bool descending) {
  if (a.is_null() || b.is_null()) return !a.is_null() && b.is_null();
  if (a.is_number() != b.is_number()) return a.is_number();
  return descending ? b < a : a < b;
}

void sort_by(const Field& field, bool descending, const Fields& fields, const std::vector<TrialRecord>& trials, std::vector<size_t>& order) {
  std::vector<Json> keys(trials.size());
  for (const size_t i : order) keys[i] = fields.value(trials[i], field);
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return precedes(keys[a], keys[b], descending); });
}

/// The words that trials have for values: what a bare name in an expression may mean.
std::set<std::string> words_of(const std::vector<TrialRecord>& trials) {
  std::set<std::string> words;
  for (const TrialRecord& trial : trials) {
    words.insert(to_string(trial.state));
    if (!trial.cause.empty()) words.insert(trial.cause);
    for (const auto& [name, value] : trial.settings)
      if (value.is_string()) words.insert(value.get<std::string>());
  }
  return words;
}

Expression parse(const std::string& where) {
  try {
    return parse_expression(where);
  } catch (const Error& error) {
    point(error.problems().front(), "--where", where);
  }
}

}  // namespace

Selected select(const Selection& selection, const Fields& fields, const std::vector<TrialRecord>& trials, const Objective& objective) {
  Selected out;
  out.trials.resize(trials.size());
  std::iota(out.trials.begin(), out.trials.end(), size_t{0});
  if (!selection.where.empty()) {
    const Expression expression = parse(selection.where);
    const std::vector<std::string> texts = possible_texts(expression);
    const std::set<std::string> words = words_of(trials);
    std::map<std::string, Field> named;
    for (const std::string& name : names(expression)) {
      const bool may_be_text = std::ranges::find(texts, name) != texts.end() && name.find('.') == std::string::npos;
      if (may_be_text && (words.contains(name) || !fields.find(name))) continue;
      named[name] = find_field(name, fields, "--where", selection.where, place_of(expression, name));
      out.asked.push_back(named[name]);
    }
    try {
      out.trials = fitting(expression, named, fields, trials);
    } catch (const Error& error) {
      point(error.problems().front(), "--where", selection.where);
    }
  }
  const bool descending = selection.sort.starts_with('-');
  const std::string name = selection.sort.substr(descending ? 1 : 0);
  if (name.empty()) {
    std::ranges::stable_sort(out.trials, [&](size_t a, size_t b) { return is_better(trials[a], trials[b], objective.maximize); });
    return out;
  }
  const Field field = find_field(name, fields, "--sort", selection.sort, descending ? 1 : 0);
  sort_by(field, descending, fields, trials, out.trials);
  if (std::ranges::none_of(out.asked, [&](const Field& one) { return one.name == name; })) out.asked.push_back(field);
  return out;
}

std::string why_nothing(const std::string& where, const Fields& fields, const std::vector<TrialRecord>& trials) {
  const std::set<std::string> words = words_of(trials);
  for (const std::string& text : possible_texts(parse_expression(where))) {
    if (words.contains(text) || fields.find(text)) continue;
    const std::string near = nearest(text, {words.begin(), words.end()});
    return fmt::format("no trial has '{}'{}", text, near.empty() ? "" : "; " + did_you_mean(near));
  }
  return "";
}

}  // namespace espalier::cli
