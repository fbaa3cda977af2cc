#pragma once

#include "espalier/json.h"

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace espalier {

/// What a setting holds. `choice` is a name with settings of its own (a slot for another block, an optimizer, a loss).
enum class Type { integer, number, boolean, word, choice, list };

/// What a search may try, and what is legal. Empty `choices` and no range: legal is anything, searched nothing.
struct Domain {
  std::vector<Json> choices = {};    ///< explicit values; numbers are ordered by size
  std::optional<double> from = {};   ///< range, both ends included
  std::optional<double> to = {};
  bool log = false;                  ///< uniform in the logarithm
  std::optional<double> step = {};   ///< grid of a range; a factor if `log`
  std::optional<double> least = {};  ///< bounds: wider than the domain where declared
  std::optional<double> most = {};

  bool searchable() const { return !choices.empty() || from.has_value(); }
  /// Widens the legal values to [least, most] without changing what a search tries.
  Domain within(double lowest, double highest) const;
};

/// Explicit values: `one_of(32, 64, 128)`, `one_of("v1", "v2")`.
template <class... T>
Domain one_of(T... values) {
  return {.choices = {Json(values)...}};
}
/// A range, both ends included.
Domain between(double from, double to);
Domain between_log(double from, double to);
/// `true` or `false`.
Domain yes_or_no();
/// Legal in [least, most]; `tune: all` leaves it alone.
Domain legal(double least, double most);

/// One declared hyperparameter.
struct SettingType {
  std::string name;   ///< snake_case
  Type type = Type::number;
  Json fallback;      ///< the default; for a choice {"resnet": {}}; for a list an array
  Domain domain;
  std::string doc;    ///< one line: meaning, unit
  /// For a choice: the names it may take, or, if empty, every plugin of `kind`.
  std::vector<std::string> options = {};
  /// For a choice: "block", "optimizer", "loss", ... : where names and their settings are declared.
  std::string kind = {};
  /// For a list: what its items are.
  std::vector<SettingType> item = {};
};
using Declaration = std::vector<SettingType>;

/// A choice inside parameters: the name of another block, or of a loss, and its settings.
struct Slot {
  std::string name;
  Json settings = Json::object();
};

namespace detail {

template <class T>
struct Field {
  static constexpr Type type = std::is_same_v<T, bool> ? Type::boolean
                               : std::is_integral_v<T> ? Type::integer
                               : std::is_floating_point_v<T> ? Type::number
                                                             : Type::word;
  static T read(const Json& j) { return j.get<T>(); }
  static Json write(const T& v) { return Json(v); }
};
template <>
struct Field<Slot> {
  static constexpr Type type = Type::choice;
  static Slot read(const Json& j) { return {j.begin().key(), j.begin().value()}; }
  static Json write(const Slot& s) { return s.name.empty() ? Json() : Json{{s.name, s.settings}}; }
};
template <class T>
struct Field<std::vector<T>> {
  static constexpr Type type = Type::list;
  static std::vector<T> read(const Json& j) {
    std::vector<T> out;
    for (const Json& x : j) out.push_back(Field<T>::read(x));
    return out;
  }
  static Json write(const std::vector<T>& v) {
    Json out = Json::array();
    for (const T& x : v) out.push_back(Field<T>::write(x));
    return out;
  }
};

template <class T>
SettingType item_type(const Domain& domain) {
  return {.name = "item", .type = Field<T>::type, .fallback = {}, .domain = domain, .doc = "one item"};
}

}  // namespace detail

/// The hyperparameters of a plugin: each is named once, bound to a member whose initializer is its default.
///
///     static Schema<Params> schema() {
///       return {{"width", &Params::width, one_of(32, 64, 128), "output channels"}};
///     }
template <class Params>
class Schema {
 public:
  struct Entry {
    SettingType type;
    std::function<void(Params&, const Json&)> set;

    template <class T>
    Entry(const char* name, T Params::*member, Domain domain, const char* doc)
        : type{.name = name, .type = detail::Field<T>::type, .fallback = detail::Field<T>::write(Params{}.*member),
               .domain = std::move(domain), .doc = doc},
          set([member](Params& p, const Json& j) { p.*member = detail::Field<T>::read(j); }) {
      static_assert(!std::is_same_v<T, int>, "espalier: declare whole numbers as int64_t, not int");
      static_assert(!std::is_same_v<T, float>, "espalier: declare numbers as double, not float");
    }
    /// Without a domain: a setting that a search leaves alone.
    template <class T>
    Entry(const char* name, T Params::*member, const char* doc) : Entry(name, member, Domain{}, doc) {}
    /// A slot for another block; `options` are what a search tries.
    Entry(const char* name, Slot Params::*member, std::vector<std::string> options, const char* doc)
        : Entry(name, member, Domain{}, doc) {
      type.options = std::move(options);
      type.kind = "block";
    }
    /// A choice among names of another kind, such as "regression loss"; `options` are what a search tries.
    Entry(const char* name, Slot Params::*member, const char* kind, std::vector<std::string> options, const char* doc)
        : Entry(name, member, std::move(options), doc) {
      type.kind = kind;
    }
    /// A list of numbers or words; `domain` holds for each item.
    template <class T>
    Entry(const char* name, std::vector<T> Params::*member, Domain domain, const char* doc)
        : type{.name = name, .type = Type::list, .fallback = detail::Field<std::vector<T>>::write(Params{}.*member),
               .domain = {}, .doc = doc, .options = {}, .kind = {}, .item = {detail::item_type<T>(domain)}},
          set([member](Params& p, const Json& j) { p.*member = detail::Field<std::vector<T>>::read(j); }) {}
    /// A list of slots.
    Entry(const char* name, std::vector<Slot> Params::*member, std::vector<std::string> options, const char* doc)
        : Entry(name, member, Domain{}, doc) {
      type.item[0].options = std::move(options);
      type.item[0].kind = "block";
    }
  };

  Schema() = default;
  Schema(std::initializer_list<Entry> entries) : entries_(entries) {}

  Declaration declaration() const {
    Declaration out;
    for (const Entry& e : entries_) out.push_back(e.type);
    return out;
  }
  /// Reads complete or partial settings; what is absent keeps its default.
  Params read(const Json& settings) const {
    Params p;
    for (const Entry& e : entries_)
      if (auto it = settings.find(e.type.name); it != settings.end()) e.set(p, *it);
    return p;
  }

 private:
  std::vector<Entry> entries_;
};

/// Parameters of a plugin that declares none.
struct NoParams {};

}  // namespace espalier
