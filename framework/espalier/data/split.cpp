#include "espalier/data/cache.h"

#include "espalier/data/files.h"
#include "espalier/data/hdf5.h"
#include "espalier/error.h"
#include "espalier/random.h"
#include "espalier/spec/expression.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>

namespace espalier {
namespace fs = std::filesystem;
namespace {

using Rows = std::vector<int64_t>;

/// What an expression sees of a row: a number, a boolean, the name of a class, a text; null where it is missing.
Json value_at(const Prepared& data, const ColumnView& column, int64_t row) {
  if (column.kind == ColumnKind::class_label) {
    const int64_t label = column.as<int64_t>()[row];
    return label < 0 ? Json() : Json(column.names.at(static_cast<size_t>(label)));
  }
  if (column.kind == ColumnKind::id) {
    const std::string text = data.text(column, row);
    return text.empty() ? Json() : Json(text);
  }
  if (column.kind != ColumnKind::number) return {};
  const float value = column.as<float>()[row];
  if (std::isnan(value)) return {};
  if (column.unit == "boolean") return Json(value != 0.0F);
  return Json(static_cast<double>(value));
}

const ColumnView* find_column(const Prepared& data, const std::string& name) {
  for (const ColumnView& column : data.columns())
    if (column.name == name) return &column;
  return nullptr;
}

Expression parse_where(const Prepared& data, const std::string& text) {
  Expression out = parse_expression(text);
  const std::vector<std::string> texts = possible_texts(out);
  std::vector<std::string> all;
  for (const ColumnView& column : data.columns())
    if (column.kind != ColumnKind::image) all.push_back(column.name);
  for (const std::string& name : names(out)) {
    if (find_column(data, name) != nullptr || std::find(texts.begin(), texts.end(), name) != texts.end()) continue;
    const std::string near = nearest(name, all);
    fail("E0412", "'" + name + "' in '" + text + "' is no column; there are " + join(all), near.empty() ? "" : "did you mean '" + near + "'?");
  }
  return out;
}

/// The rows for which an expression is true.
Rows rows_where(const Prepared& data, const Rows& rows, const std::string& text) {
  const Expression expression = parse_where(data, text);
  Rows out;
  for (const int64_t row : rows) {
    const auto lookup = [&](const std::string& name) {
      const ColumnView* column = find_column(data, name);
      return column == nullptr ? Json() : value_at(data, *column, row);
    };
    if (holds(expression, lookup) == std::optional<bool>(true)) out.push_back(row);
  }
  return out;
}

Rows without(const Rows& rows, Rows taken) {
  std::sort(taken.begin(), taken.end());
  Rows out;
  std::set_difference(rows.begin(), rows.end(), taken.begin(), taken.end(), std::back_inserter(out));
  return out;
}

bool is_missing(const ColumnView& column, int64_t row, const Prepared& data) {
  if (column.kind == ColumnKind::class_label) return column.as<int64_t>()[row] < 0;
  if (column.kind == ColumnKind::id) return data.text(column, row).empty();
  if (column.kind == ColumnKind::image) return false;
  const int64_t width = elements(column.shape);
  const float* values = column.as<float>() + row * width;
  return std::any_of(values, values + width, [](float v) { return std::isnan(v); });
}

/// Rows that every `where` keeps and that have values in the columns used; counts the others by cause.
Rows usable_rows(const DataRequest& request, const Source& source, const Prepared& data, Json& left_out) {
  Rows rows(static_cast<size_t>(data.rows()));
  std::iota(rows.begin(), rows.end(), int64_t{0});
  auto keep = [&](const std::string& cause, Rows kept) {
    const Rows gone = without(rows, kept);
    if (gone.empty()) return;
    Json examples = Json::array();
    for (size_t i = 0; i < std::min<size_t>(5, gone.size()); ++i) examples.push_back(data.origin(gone[i]));
    left_out.push_back({{"cause", cause}, {"count", gone.size()}, {"examples", examples}});
    rows = std::move(kept);
  };
  Json where = request.data.value("where", Json::array());
  if (where.is_string()) where = Json::array({where});
  for (const Json& text : where.is_array() ? where : Json::array())
    keep("not true: " + text.get<std::string>(), rows_where(data, rows, text.get<std::string>()));
  std::vector<std::string> used = request.used;
  if (used.empty())
    for (const ColumnRule& rule : source.rules) used.push_back(rule.name);
  // A row whose stratum or group is unknown cannot be put on one side with its kin.
  const Json split = request.data.value("split", Json::object());
  for (const char* name : {"stratify", "group"})
    if (const Json column = split.value(name, Json()); column.is_string() && std::ranges::find(used, column.get<std::string>()) == used.end())
      used.push_back(column.get<std::string>());
  for (const std::string& name : used) {
    const ColumnView& column = data.column(name);
    Rows kept;
    std::copy_if(rows.begin(), rows.end(), std::back_inserter(kept), [&](int64_t row) { return !is_missing(column, row, data); });
    keep(name + " missing", std::move(kept));
  }
  return rows;
}

/// Names a stratum or a group of each row.
std::vector<int64_t> marks(const Prepared& data, const Json& name, bool ids) {
  std::vector<int64_t> out;
  if (!name.is_string()) return out;
  const ColumnView& column = data.column(name.get<std::string>());
  const bool fits = column.kind == ColumnKind::class_label || (ids && column.kind != ColumnKind::image);
  require(fits, "E0412", std::string("data.split.") + (ids ? "group takes an id column" : "stratify takes a class column") + "; '" +
                             column.name + "' holds " + to_string(column.kind));
  std::map<std::string, int64_t> numbers;
  for (int64_t row = 0; row < data.rows(); ++row) {
    if (column.kind == ColumnKind::class_label) {
      out.push_back(column.as<int64_t>()[row]);
      continue;
    }
    const Json value = value_at(data, column, row);
    // Rows without a group are left out of every split; each counts as a group of its own.
    const std::string key = value.is_null() ? "row " + std::to_string(row) : value.dump();
    out.push_back(numbers.try_emplace(key, static_cast<int64_t>(numbers.size())).first->second);
  }
  return out;
}

/// A share of `rows`: an integer is a count, a number below 1 a fraction.
int64_t count_of(const Json& share, size_t rows, const std::string& place) {
  if (share == Json("all")) return static_cast<int64_t>(rows);
  require(share.is_number(), "E0412", place + " takes a count, a fraction or a word of the grammar, not '" + share.dump() + "'");
  const int64_t count = share.is_number_integer() ? share.get<int64_t>() : std::llround(share.get<double>() * static_cast<double>(rows));
  require(count >= 0 && count <= static_cast<int64_t>(rows), "E2301",
          place + " asks for " + std::to_string(count) + " rows; there are " + std::to_string(rows));
  return count;
}

/// Splits `count` among strata in proportion; what is left over goes to the largest remainders.
std::map<int64_t, int64_t> quotas(const std::map<int64_t, Rows>& strata, int64_t count, size_t rows) {
  std::map<int64_t, int64_t> out;
  std::vector<std::pair<double, int64_t>> remainders;
  int64_t given = 0;
  for (const auto& [stratum, members] : strata) {
    const double exact = static_cast<double>(count) * static_cast<double>(members.size()) / static_cast<double>(std::max<size_t>(rows, 1));
    out[stratum] = static_cast<int64_t>(exact);
    given += out[stratum];
    remainders.emplace_back(std::floor(exact) - exact, stratum);
  }
  std::sort(remainders.begin(), remainders.end());
  for (size_t i = 0; given < count && i < remainders.size(); ++i, ++given) ++out[remainders[i].second];
  return out;
}

Rows draw_rows(const std::map<int64_t, Rows>& strata, std::map<int64_t, int64_t> quota, Random& random) {
  Rows out;
  for (const auto& [stratum, members] : strata) {
    Rows shuffled = members;
    shuffle(shuffled, random);
    out.insert(out.end(), shuffled.begin(), shuffled.begin() + quota[stratum]);
  }
  return out;
}

/// Takes whole groups in random order as long as each brings the strata nearer to their quotas.
Rows draw_groups(const Rows& rows, const Marks& marks, std::map<int64_t, int64_t> quota, Random& random) {
  std::map<int64_t, Rows> members;
  for (const int64_t row : rows) members[marks.groups[static_cast<size_t>(row)]].push_back(row);
  std::vector<int64_t> order;
  for (const auto& [group, unused] : members) order.push_back(group);
  shuffle(order, random);
  Rows out;
  for (const int64_t group : order) {
    std::map<int64_t, int64_t> more;
    for (const int64_t row : members[group]) ++more[marks.strata.empty() ? 0 : marks.strata[static_cast<size_t>(row)]];
    int64_t gain = 0;
    for (const auto& [stratum, n] : more) gain += std::abs(quota[stratum]) - std::abs(quota[stratum] - n);
    if (gain <= 0) continue;
    for (const auto& [stratum, n] : more) quota[stratum] -= n;
    out.insert(out.end(), members[group].begin(), members[group].end());
  }
  return out;
}

Rows draw(const Rows& rows, int64_t count, const Marks& marks, uint64_t seed) {
  Random random(seed);
  std::map<int64_t, Rows> strata;
  for (const int64_t row : rows) strata[marks.strata.empty() ? 0 : marks.strata[static_cast<size_t>(row)]].push_back(row);
  const auto quota = quotas(strata, count, rows.size());
  Rows out = marks.groups.empty() ? draw_rows(strata, quota, random) : draw_groups(rows, marks, quota, random);
  std::sort(out.begin(), out.end());
  return out;
}

/// Rows that the source itself gives to a split.
std::optional<Rows> given_rows(const Prepared& data, const Rows& rows, const std::string& split) {
  const ColumnView* column = find_column(data, "split");
  if (column == nullptr || column->kind != ColumnKind::class_label) return std::nullopt;
  const auto it = std::find(column->names.begin(), column->names.end(), split);
  if (it == column->names.end()) return std::nullopt;
  const int64_t label = it - column->names.begin();
  Rows out;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(out), [&](int64_t row) { return column->as<int64_t>()[row] == label; });
  return out;
}

/// The rows of one side: given, a share of `from`, those of an expression, or none.
Rows side(const Prepared& data, const Rows& from, const Json& how, const std::string& name, const Marks& marks, uint64_t seed) {
  const std::string place = "data.split." + name;
  if (how == Json("none")) return {};
  if (how == Json("given")) {
    std::optional<Rows> given = given_rows(data, from, name);
    require(given.has_value(), "E0412", place + " is 'given', but the data have no " + name + " split of their own");
    return *given;
  }
  if (how.is_object() && how.contains("where")) return rows_where(data, from, how.at("where").get<std::string>());
  require(!how.is_object(), "E0412", place + " takes a share, given, none or {where: EXPRESSION}, not '" + how.dump() + "'");
  return draw(from, count_of(how, from.size(), place), marks, seed);
}

Splits split_rows(const DataRequest& request, const Prepared& data, const Rows& rows) {
  const Json split = request.data.value("split", Json::object());
  const Json take = request.data.value("take", Json::object());
  const uint64_t seed = split_seed(request);
  const Marks both = row_marks(request, data);
  const std::optional<Rows> given_test = given_rows(data, rows, "test");
  const std::optional<Rows> given_validation = given_rows(data, rows, "validation");
  const Json test_how = split.value("test", given_test ? Json("given") : Json());
  require(!test_how.is_null(), "E0412", "data.split.test is needed: the data have no test split of their own");
  const Json validation_how = split.value("validation", given_validation ? Json("given") : Json(0.2));

  Splits out;
  out.test = side(data, rows, test_how, "test", both, derive_seed(seed, "split/test"));
  Rows rest = without(rows, out.test);
  // Rows of a split that is given but not asked for as such belong to training, save for a test set that is switched off.
  if (test_how == Json("none") && given_test) rest = without(rest, *given_test);
  const Rows validation_given = validation_how == Json("given") ? side(data, rest, validation_how, "validation", both, 0) : Rows();
  rest = without(rest, validation_given);
  const Marks plain{.strata = both.strata, .groups = {}};
  if (take.contains("test"))
    out.test = draw(out.test, count_of(take["test"], out.test.size(), "data.take.test"), plain, derive_seed(seed, "take/test"));
  if (take.contains("train"))
    rest = draw(rest, count_of(take["train"], rest.size(), "data.take.train"), plain, derive_seed(seed, "take/train"));
  // Folds are cut from the training rows when a trial asks for one.
  const bool folded = validation_how.is_object() && validation_how.contains("folds");
  if (validation_how == Json("given")) out.validation = validation_given;
  else if (!folded) out.validation = side(data, rest, validation_how, "validation", both, derive_seed(seed, "split/validation"));
  out.train = without(rest, out.validation);
  require(!out.train.empty(), "E2301", "no row is left to train on");
  return out;
}

}  // namespace

uint64_t split_seed(const DataRequest& request) {
  const Json own = request.data.value("seed", Json());
  return own.is_number_integer() ? own.get<uint64_t>() : request.seed;
}

Marks row_marks(const DataRequest& request, const Prepared& data) {
  const Json split = request.data.value("split", Json::object());
  return {.strata = marks(data, split.value("stratify", Json()), false), .groups = marks(data, split.value("group", Json()), true)};
}

SplitPlan split_plan(const DataRequest& request, const CacheKey& key) {
  const Json& data = request.data;
  SplitPlan out;
  out.fields = {{"format", 1},
                {"cache", key.key},
                {"split", data.value("split", Json::object())},
                {"take", data.value("take", Json::object())},
                {"where", data.value("where", Json::array())},
                {"used", request.used},
                {"seed", split_seed(request)}};
  out.key = sha256_of(out.fields.dump()).substr(0, 16);
  out.file = key.folder / ("split-" + out.key + ".h5");
  return out;
}

void build_splits(const SplitPlan& plan, const DataRequest& request, const Source& source, const Prepared& data) {
  Json left_out = Json::array();
  const Rows rows = usable_rows(request, source, data, left_out);
  const Splits splits = split_rows(request, data, rows);
  write_splits(plan.file, splits, plan.fields, left_out);
}

void write_splits(const fs::path& file, const Splits& splits, const Json& fields, const Json& left_out) {
  auto table = [](const std::string& name, const Rows& indices) {
    return Table{.name = name, .type = "int64", .extents = {static_cast<int64_t>(indices.size())}, .values = indices.data()};
  };
  std::string hash;
  write_whole(file, [&](const fs::path& temporary) {
    write_tables(temporary, {table("train", splits.train), table("validation", splits.validation), table("test", splits.test)});
    hash = sha256_of_file(temporary);
  });
  fs::path sidecar = file;
  sidecar.replace_extension(".json");
  const Json counts = {{"train", splits.train.size()}, {"validation", splits.validation.size()}, {"test", splits.test.size()}};
  write_file_safely(sidecar, Json{{"sha256", hash}, {"key", fields}, {"rows", counts}, {"left_out", left_out}}.dump(1));
}

}  // namespace espalier
