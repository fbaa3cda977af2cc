#include "espalier/pipeline/scalars.h"

#include "espalier/spec/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace espalier {

namespace {

std::string wanted(Type type) {
  switch (type) {
    case Type::integer: return "an integer";
    case Type::number: return "a number";
    case Type::boolean: return "true or false";
    case Type::word: return "a word";
    case Type::choice: return "a name";
    case Type::list: return "a list";
  }
  return "";
}

std::optional<Json> parse(Type type, const std::string& text) {
  if (type == Type::integer) {
    const auto value = read_integer(text);
    return value ? std::optional<Json>(Json(static_cast<int64_t>(*value))) : std::nullopt;
  }
  if (type == Type::number) {
    const auto value = read_number(text);
    return value ? std::optional<Json>(Json(*value)) : std::nullopt;
  }
  if (type == Type::boolean) return text == "true" || text == "false" ? std::optional<Json>(Json(text == "true")) : std::nullopt;
  return Json(text);
}

/// "10:30" is what people write for ten minutes and a half.
std::string time_hint(const std::string& text) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos) return "";
  const auto minutes = read_integer(text.substr(0, colon));
  std::string rest = text.substr(colon + 1);
  if (rest.size() == 2 && rest[0] == '0') rest.erase(0, 1);
  const auto seconds = read_integer(rest);
  if (!minutes || !seconds) return "";
  return fmt::format("; for {} minutes {} seconds write {}s", *minutes, *seconds, *minutes * 60 + *seconds);
}

}  // namespace

std::string show_value(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return fmt::format("{:g}", value.get<double>());
  return value.dump();
}

std::optional<Json> read_scalar(Type type, const std::string& path, const Tree& tree, Problems& problems) {
  if (!tree.is_scalar()) {
    problems.add("E0202", fmt::format("{} takes {}, not a {}", path, wanted(type), tree.is_list() ? "list" : "map"), tree.place);
    return std::nullopt;
  }
  std::optional<Json> value = parse(type, tree.text);
  if (type == Type::word || type == Type::choice) return value;
  if (tree.quoted && value) {
    problems.add("E0202", fmt::format("{} takes {}, not text: remove the quotes", path, wanted(type)), tree.place);
    return std::nullopt;
  }
  if (!value) problems.add("E0202", fmt::format("{} takes {}, not '{}'", path, wanted(type), tree.text), tree.place);
  return value;
}

std::optional<double> least_of(const Domain& domain) {
  if (domain.least) return domain.least;
  if (domain.from) return domain.from;
  std::optional<double> out;
  for (const Json& value : domain.choices)
    if (value.is_number() && (!out || value.get<double>() < *out)) out = value.get<double>();
  return out;
}

std::optional<double> most_of(const Domain& domain) {
  if (domain.most) return domain.most;
  if (domain.to) return domain.to;
  std::optional<double> out;
  for (const Json& value : domain.choices)
    if (value.is_number() && (!out || value.get<double>() > *out)) out = value.get<double>();
  return out;
}

bool is_legal(const SettingType& type, const Json& value, const std::string& path, const Place& place, Problems& problems) {
  if (value.is_number()) {
    const auto least = least_of(type.domain);
    const auto most = most_of(type.domain);
    const double number = value.get<double>();
    if ((!least || number >= *least) && (!most || number <= *most)) return true;
    problems.add("E0207", fmt::format("{} is {}; its bounds are {} to {}", path, show_value(value),
                                      least ? fmt::format("{:g}", *least) : "anything", most ? fmt::format("{:g}", *most) : "anything"),
                 place);
    return false;
  }
  if (!value.is_string() || type.domain.choices.empty()) return true;
  if (std::ranges::find(type.domain.choices, value) != type.domain.choices.end()) return true;
  std::vector<std::string> words;
  for (const Json& choice : type.domain.choices) words.push_back(show_value(choice));
  const std::string near = nearest(value.get<std::string>(), words);
  problems.add("E0207", fmt::format("{} is '{}'; it takes {}", path, value.get<std::string>(), join(words)), place,
               near.empty() ? "" : fmt::format("did you mean '{}'?", near));
  return false;
}

std::optional<double> read_time_at(const std::string& path, const Tree& tree, Problems& problems) {
  const std::optional<double> value = tree.is_scalar() && !tree.quoted ? read_time(tree.text) : std::nullopt;
  if (!value) problems.add("E0202", fmt::format("{} takes a time such as 10m, not '{}'{}", path, tree.text, time_hint(tree.text)), tree.place);
  return value;
}

std::optional<double> read_size_at(const std::string& path, const Tree& tree, Problems& problems) {
  const std::optional<double> value = tree.is_scalar() && !tree.quoted ? read_size(tree.text) : std::nullopt;
  if (!value) problems.add("E0202", fmt::format("{} takes a size such as 2GiB, not '{}'", path, tree.text), tree.place);
  return value;
}

std::optional<Json> read_share(const Tree& tree) {
  if (!tree.is_scalar() || tree.quoted) return std::nullopt;
  if (tree.text == "all") return Json("all");
  if (const auto count = read_integer(tree.text)) return *count > 0 ? std::optional<Json>(Json(static_cast<int64_t>(*count))) : std::nullopt;
  const auto fraction = read_number(tree.text);
  if (!fraction || *fraction <= 0.0 || *fraction >= 1.0 || tree.text.find('.') == std::string::npos) return std::nullopt;
  return Json(*fraction);
}

}  // namespace espalier
