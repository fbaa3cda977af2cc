#include "espalier/testing/covering.h"

#include "espalier/random.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

namespace espalier {

namespace {

using Row = std::vector<size_t>;  ///< index of the value of each setting
using Pair = std::tuple<size_t, size_t, size_t, size_t>;

std::set<Pair> pairs_of(const Row& row) {
  std::set<Pair> out;
  for (size_t a = 0; a < row.size(); ++a)
    for (size_t b = a + 1; b < row.size(); ++b) out.insert({a, row[a], b, row[b]});
  return out;
}

std::set<Pair> all_pairs(const std::vector<std::vector<Json>>& values) {
  std::set<Pair> out;
  for (size_t a = 0; a < values.size(); ++a)
    for (size_t b = a + 1; b < values.size(); ++b)
      for (size_t i = 0; i < values[a].size(); ++i)
        for (size_t k = 0; k < values[b].size(); ++k) out.insert({a, i, b, k});
  return out;
}

/// The best of some random rows that hold one given pair.
Row row_for(const Pair& pair, const std::vector<std::vector<Json>>& values, const std::set<Pair>& missing, Random& random) {
  constexpr int kTries = 16;
  const auto [a, i, b, k] = pair;
  Row best;
  int64_t most = -1;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    Row row;
    for (const auto& of_one : values) row.push_back(static_cast<size_t>(random.below(std::ssize(of_one))));
    row[a] = i;
    row[b] = k;
    const int64_t gain = std::ranges::count_if(pairs_of(row), [&](const Pair& p) { return missing.contains(p); });
    if (gain > most) best = row, most = gain;
  }
  return best;
}

}  // namespace

std::vector<Json> interesting_values(const SettingType& setting) {
  std::vector<Json> out;
  const auto add = [&](const Json& value) {
    if (std::ranges::find(out, value) == out.end()) out.push_back(value);
  };
  add(setting.fallback);
  for (const Json& choice : setting.domain.choices) add(choice);
  if (setting.domain.from && setting.domain.to) {
    const double from = *setting.domain.from, to = *setting.domain.to;
    const double middle = setting.domain.log ? std::sqrt(from * to) : (from + to) / 2;
    for (const double value : {from, middle, to})
      add(setting.type == Type::integer ? Json(static_cast<int64_t>(std::llround(value))) : Json(value));
  }
  if (setting.type == Type::choice)
    for (const std::string& option : setting.options) add({{option, Json::object()}});
  return out;
}

Json default_settings(const Declaration& declaration) {
  Json out = Json::object();
  for (const SettingType& setting : declaration)
    if (!setting.fallback.is_null()) out[setting.name] = setting.fallback;
  return out;
}

std::vector<Json> pairwise_covering(const Declaration& declaration) {
  std::vector<std::vector<Json>> values;
  for (const SettingType& setting : declaration) values.push_back(interesting_values(setting));
  std::vector<Row> rows = {Row(values.size(), 0)};
  // One setting has no pairs: its values come one by one.
  for (size_t i = 1; values.size() == 1 && i < values[0].size(); ++i) rows.push_back({i});
  std::set<Pair> missing = all_pairs(values);
  for (const Pair& pair : pairs_of(rows[0])) missing.erase(pair);
  Random random(1);
  while (!missing.empty()) {
    rows.push_back(row_for(*missing.begin(), values, missing, random));
    for (const Pair& pair : pairs_of(rows.back())) missing.erase(pair);
  }
  std::vector<Json> out;
  for (const Row& row : rows) {
    Json settings = Json::object();
    for (size_t i = 0; i < row.size(); ++i)
      if (!values[i][row[i]].is_null()) settings[declaration[i].name] = values[i][row[i]];
    out.push_back(std::move(settings));
  }
  return out;
}

}  // namespace espalier
