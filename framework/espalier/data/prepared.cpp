#include "espalier/data/prepared.h"

#include "espalier/data/cache.h"
#include "espalier/data/files.h"
#include "espalier/data/hdf5.h"
#include "espalier/error.h"

#include <sys/mman.h>

#include <cstring>

namespace espalier {
namespace fs = std::filesystem;

struct Prepared::State {
  Json manifest;
  Mapping mapping;
  int64_t rows = 0;
  std::vector<ColumnView> columns;
  ColumnView source;
};

namespace {

ColumnKind kind_from(const std::string& word) {
  for (const ColumnKind kind : {ColumnKind::image, ColumnKind::number, ColumnKind::numbers, ColumnKind::class_label,
                                ColumnKind::class_labels, ColumnKind::id})
    if (to_string(kind) == word) return kind;
  fail("E2201", "a cache's manifest has a column of unknown kind '" + word + "'");
}

ColumnView view_of(const Json& about, const std::vector<Place>& places, const Mapping& mapping, int64_t rows) {
  ColumnView view{.name = about.at("name"), .kind = kind_from(about.at("kind")), .shape = about.at("shape").get<Shape>(),
                  .type = about.at("type"), .names = about.at("names").get<std::vector<std::string>>(),
                  .unit = about.value("unit", ""), .text_size = 0, .rows = rows, .values = nullptr};
  for (const Place& place : places) {
    if (place.name != view.name) continue;
    const auto bytes = static_cast<int64_t>(place.element) * elements(place.extents);
    require(place.offset >= 0 ? place.offset + bytes <= static_cast<int64_t>(mapping.size()) : bytes == 0, "E2201",
            "column '" + view.name + "' reaches past the end of its file");
    require(!place.extents.empty() && place.extents[0] == rows, "E2201", "column '" + view.name + "' has another number of rows");
    view.text_size = place.element;
    if (place.offset >= 0) view.values = mapping.bytes() + place.offset;
    return view;
  }
  fail("E2201", "a cache has no column '" + view.name + "', though its manifest says so");
}

std::string text_at(const ColumnView& column, int64_t row) {
  const char* text = static_cast<const char*>(column.values) + static_cast<size_t>(row) * column.text_size;
  return {text, strnlen(text, column.text_size)};
}

}  // namespace

CacheState look_at(const fs::path& folder) {
  const Json manifest = read_json_file(folder / "manifest.json");
  const fs::path file = folder / "data.h5";
  if (!manifest.is_object() || !fs::exists(file)) return {};
  if (manifest.value("format", int64_t{0}) != kCacheFormat) return {.complete = false, .damage = "another format"};
  const std::string promised = manifest.value("sha256", "");
  const std::string stamp = stamp_of(file);
  if (read_text_file(folder / "verified") == promised + " " + stamp) return {.complete = true, .damage = {}};
  if (fs::file_size(file) != manifest.value("size", uintmax_t{0}))
    return {.complete = false, .damage = "its size is not what the manifest says"};
  if (sha256_of_file(file) != promised) return {.complete = false, .damage = "its checksum is not what the manifest says"};
  remember_verified(folder, promised);
  return {.complete = true, .damage = {}};
}

void remember_verified(const fs::path& folder, const std::string& sha256) {
  // A cache on a read-only file system is verified each time it is opened.
  remember_in_file(folder / "verified", sha256 + " " + stamp_of(folder / "data.h5"));
}

Prepared::Prepared() : state_(std::make_unique<State>()) {}
Prepared::Prepared(Prepared&&) noexcept = default;
Prepared& Prepared::operator=(Prepared&&) noexcept = default;
Prepared::~Prepared() = default;

Prepared Prepared::open(const fs::path& folder) {
  const CacheState found = look_at(folder);
  const fs::path file = folder / "data.h5";
  require(found.damage.empty(), "E2201", "'" + file.string() + "' is damaged: " + found.damage);
  require(found.complete, "E2202", "there is no prepared data in '" + folder.string() + "'");
  Prepared out;
  State& state = *out.state_;
  state.manifest = read_json_file(folder / "manifest.json");
  state.rows = state.manifest.at("rows");
  state.mapping = Mapping(open_to_read(file), fs::file_size(file), false);
  madvise(state.mapping.bytes(), state.mapping.size(), MADV_WILLNEED);
  const std::vector<Place> places = find_tables(file);
  for (const Json& about : state.manifest.at("columns"))
    state.columns.push_back(view_of(about, places, state.mapping, state.rows));
  state.source = view_of({{"name", kOrigins}, {"kind", "id"}, {"shape", Json::array()}, {"type", "string"}, {"names", Json::array()}},
                         places, state.mapping, state.rows);
  return out;
}

int64_t Prepared::rows() const { return state_->rows; }
const std::vector<ColumnView>& Prepared::columns() const { return state_->columns; }
const Json& Prepared::manifest() const { return state_->manifest; }

const ColumnView& Prepared::column(const std::string& name) const {
  std::vector<std::string> all;
  for (const ColumnView& column : state_->columns) {
    if (column.name == name) return column;
    all.push_back(column.name);
  }
  const std::string near = nearest(name, all);
  fail("E2205", "the prepared data have no column '" + name + "'; they have " + join(all),
       near.empty() ? "" : "did you mean '" + near + "'?");
}

std::string Prepared::text(const ColumnView& column, int64_t row) const {
  require(column.type == "string" && row >= 0 && row < column.rows, "E2205",
          "column '" + column.name + "' has no text at row " + std::to_string(row));
  return text_at(column, row);
}

std::string Prepared::origin(int64_t row) const { return text(state_->source, row); }

Json split_sidecar(const fs::path& file) {
  fs::path sidecar = file;
  sidecar.replace_extension(".json");
  Json about = read_json_file(sidecar);
  if (!about.is_object() || !fs::exists(file) || sha256_of_file(file) != about.value("sha256", "")) return {};
  return about;
}

Splits read_splits(const fs::path& file) {
  require(fs::exists(file), "E2202", "there is no split file '" + file.string() + "'");
  // The checksum is looked at before HDF5 parses a byte: its decoders are not safe against damage.
  require(!split_sidecar(file).is_null(), "E2201", "'" + file.string() + "' is damaged: its checksum is not what its sidecar says");
  const Mapping mapping(open_to_read(file), fs::file_size(file), false);
  Splits out;
  for (const Place& place : find_tables(file)) {
    std::vector<int64_t>* rows = place.name == "train" ? &out.train : place.name == "validation" ? &out.validation : &out.test;
    require(place.extents.size() == 1 && place.element == sizeof(int64_t), "E2201", "'" + file.string() + "' holds no indices");
    const auto count = static_cast<size_t>(place.extents[0]);
    if (count == 0) continue;
    require(place.offset >= 0 && static_cast<size_t>(place.offset) + count * sizeof(int64_t) <= mapping.size(), "E2201",
            "'" + file.string() + "' ends too early");
    rows->resize(count);
    std::memcpy(rows->data(), mapping.bytes() + place.offset, count * sizeof(int64_t));
  }
  return out;
}

}  // namespace espalier
