#include "espalier/data/prepare.h"

#include "espalier/data/cache.h"
#include "espalier/data/files.h"
#include "espalier/data/inputs.h"
#include "espalier/error.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <ctime>

namespace espalier {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;

Json to_json(const std::vector<ColumnRule>& rules) {
  Json out = Json::object();
  for (const ColumnRule& rule : rules)
    out[rule.name] = {{"kind", to_string(rule.kind)}, {"fields", rule.fields}, {"classes", rule.names}, {"missing", rule.missing}};
  return out;
}

/// What a file's content is expected to be, if the description says.
void compare_with_description(const Source& source, const InputHashes& inputs) {
  for (const Json& file : source.description.value("files", Json::array())) {
    if (!file.is_object() || !file.contains("sha256")) continue;
    const std::string name = file.at("name");
    const std::string found = inputs.files.value(name, "");
    require(found.empty() || found == file.at("sha256").get<std::string>(), "E2104",
            "'" + name + "' of dataset '" + source.dataset + "' is not the file that its description names (SHA-256 " +
                found.substr(0, 12) + "..., not " + file.at("sha256").get<std::string>().substr(0, 12) + "...)");
  }
}

/// Says which field of the key differs from the nearest cache of the same data.
std::string why_missing(const DataRequest& request, const Source& source, const CacheKey& key) {
  std::vector<std::string> best;
  bool found = false;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(request.cache, none)) {
    const Json manifest = read_json_file(entry.path() / "manifest.json");
    if (!manifest.is_object() || manifest.value("dataset", "") != source.dataset) continue;
    const Json other = manifest.value("key", Json::object());
    if (other.value("reader", "") != source.reader) continue;
    std::vector<std::string> differing;
    for (const auto& [name, value] : key.fields.items())
      if (other.value(name, Json()) != value) differing.push_back(name);
    if (!found || differing.size() < best.size()) best = differing;
    found = true;
  }
  if (!found) return "never prepared before";
  return join(best, " and ") + (best.size() == 1 ? " differs" : " differ") + " from the nearest cache";
}

void add_left_out(Preparation& out) {
  out.left_out = read_json_file(out.folder / "manifest.json").value("left_out", Json::array());
  const Json sidecar = split_sidecar(out.splits);
  if (!sidecar.is_object()) return;
  for (const Json& cause : sidecar.value("left_out", Json::array())) out.left_out.push_back(cause);
}

/// Moves a damaged data.h5 out of the way, kept for whoever wants to know what happened.
void set_aside(const CacheKey& key) {
  const std::string name = "data.h5.corrupt-" + std::to_string(std::time(nullptr));
  std::error_code failed;
  fs::rename(key.folder / "data.h5", key.folder / name, failed);
  require(!failed, "E2202", "cannot set the damaged '" + (key.folder / "data.h5").string() + "' aside: " + failed.message());
  fs::remove(key.folder / "manifest.json", failed);
}

/// Why a cache is built that is not complete.
std::string why_building(const DataRequest& request, const Source& source, const CacheKey& key, const CacheState& now) {
  if (!now.damage.empty()) return "data.h5 was damaged: " + now.damage;
  if (fs::exists(key.folder / "data.h5")) return "its manifest was lost or damaged";
  return why_missing(request, source, key);
}

/// Before a cache is locked to be written: a message about a lock would help nobody.
void require_writable(const fs::path& cache, const std::string& need) {
  if (access(cache.c_str(), W_OK) == 0) return;
  fail("E2202", need + ", and the cache folder '" + cache.string() + "' cannot be written: " + std::strerror(errno),
       "ESPALIER_CACHE names another place");
}

void find_or_build(const DataRequest& request, const Source& source, const ReaderType& reader, const CacheKey& key, Preparation& out,
                   const Progress& progress) {
  const CacheState before = look_at(key.folder);
  if (before.complete) return;
  require_writable(request.cache, "the data must be prepared (" + why_building(request, source, key, before) + ")");
  const Descriptor lock = lock_file(request.cache / (key.key + ".lock"), [&] {
    if (progress) progress("waiting for another process that builds this cache", 0.0);
  });
  const CacheState now = look_at(key.folder);
  if (now.complete) return;  // another builder was faster
  out.reason = why_building(request, source, key, now) + (now.damage.empty() ? "" : "; it is set aside");
  if (!now.damage.empty()) set_aside(key);
  build_cache(key, source, reader, progress);
  out.built = true;
}

int64_t share_of(const Json& share, int64_t rows) {
  if (share.is_number_integer()) return std::min(rows, share.get<int64_t>());
  if (share.is_number()) return std::llround(share.get<double>() * static_cast<double>(rows));
  return share == Json("all") ? rows : 0;
}

/// Expected sizes of the splits from the sizes that the description gives; `where` makes them upper bounds.
void guess_rows(const DataRequest& request, const Source& source, DataSketch& out) {
  const Json given = source.description.value("splits", Json::object());
  const Json split = request.data.value("split", Json::object());
  const Json take = request.data.value("take", Json::object());
  const Json test = split.value("test", given.contains("test") ? Json("given") : Json());
  out.has_test = !test.is_null() && test != Json("none");
  int64_t rest = given.value("train", int64_t{0});
  const int64_t given_test = given.value("test", int64_t{0});
  const int64_t given_validation = given.value("validation", int64_t{0});
  if (rest == 0) return;
  out.test_rows = test == Json("given") ? given_test : share_of(test, rest + given_test + given_validation);
  if (test.is_number()) rest += given_test - out.test_rows;
  out.test_rows = std::min(out.test_rows, share_of(take.value("test", Json("all")), out.test_rows));
  rest = std::min(rest, share_of(take.value("train", Json("all")), rest));
  const Json validation = split.value("validation", given_validation > 0 ? Json("given") : Json(0.2));
  out.validation_rows = validation == Json("given") ? given_validation : share_of(validation, rest);
  out.train_rows = validation == Json("given") ? rest : rest - out.validation_rows;
}

std::vector<Column> described_columns(const Source& source) {
  std::vector<Column> out;
  for (const ColumnRule& rule : source.rules) {
    Column column{.name = rule.name, .kind = rule.kind, .names = rule.names, .shape = rule.shape};
    if (column.names.empty() && (rule.kind == ColumnKind::numbers || rule.kind == ColumnKind::class_labels)) column.names = rule.fields;
    out.push_back(std::move(column));
  }
  for (const Json& field : source.description.value("fields", Json::array()))
    out.push_back({.name = field.get<std::string>(), .kind = ColumnKind::number});
  return out;
}

}  // namespace

const Column* DataSketch::find(const std::string& name) const {
  for (const Column& column : columns)
    if (column.name == name) return &column;
  return nullptr;
}

CacheKey cache_key(const DataRequest& request, const Source& source, const ReaderType& reader) {
  CacheKey out;
  out.inputs = input_folder(source, request);
  const InputHashes inputs = known_inputs({.asked = {source.reader, reader.version, source.settings},
                                           .folder = out.inputs,
                                           .memory = request.cache / "inputs",
                                           .verify = request.verify,
                                           .list = [&] { return reader.sketch(source.settings, out.inputs).inputs; }});
  compare_with_description(source, inputs);
  out.fields = {{"format", kCacheFormat},        {"reader", source.reader},       {"reader_version", reader.version},
                {"settings", source.settings},   {"inputs", inputs.digest},       {"columns", to_json(source.rules)},
                {"prepare", to_json(source.steps)},
                {"images", request.images ? Json(*request.images) : Json()}};
  out.key = sha256_of(out.fields.dump()).substr(0, 32);
  out.folder = request.cache / out.key;
  return out;
}

DataSketch sketch_data(const DataRequest& request, const FindReader& readers) {
  const Source source = find_source(request);
  DataSketch out;
  if (source.dataset.empty()) {
    const ReaderType& reader = readers(source.reader);
    out.columns = apply_rules(reader.sketch(source.settings, request.pipeline_folder).columns, source.rules);
  } else {
    out.columns = described_columns(source);
  }
  for (Column& column : out.columns) {
    if (column.kind == ColumnKind::image) column.shape = shape_after(source.steps, column.shape);
    column.numbers.clear();
    column.labels.clear();
    column.ids.clear();
  }
  guess_rows(request, source, out);
  if (source.dataset.empty() && !request.data.value("split", Json::object()).contains("test")) {
    const Column* split = out.find("split");
    out.has_test = split != nullptr && std::find(split->names.begin(), split->names.end(), "test") != split->names.end();
  }
  return out;
}

Preparation explain_data(const DataRequest& request, const FindReader& readers) {
  const auto start = Clock::now();
  const Source source = find_source(request);
  const CacheKey key = cache_key(request, source, readers(source.reader));
  const SplitPlan plan = split_plan(request, key);
  Preparation out{.folder = key.folder, .key = key.key, .splits = plan.file, .splits_key = plan.key, .reason = {}, .left_out = Json::array()};
  const CacheState found = look_at(key.folder);
  out.built = !found.complete;
  if (!found.damage.empty()) out.reason = "data.h5 is damaged: " + found.damage;
  else if (!found.complete) out.reason = why_missing(request, source, key);
  else add_left_out(out);
  out.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return out;
}

Preparation prepare_data(const DataRequest& request, const FindReader& readers, const Progress& progress) {
  const auto start = Clock::now();
  const Source source = find_source(request);
  const ReaderType& reader = readers(source.reader);
  std::error_code none;
  std::error_code failed;
  fs::create_directories(request.cache, failed);
  if (failed)
    fail("E2202", "cannot make the cache folder '" + request.cache.string() + "': " + failed.message(), "ESPALIER_CACHE names another place");
  const CacheKey key = cache_key(request, source, reader);
  const SplitPlan plan = split_plan(request, key);
  Preparation out{.folder = key.folder, .key = key.key, .splits = plan.file, .splits_key = plan.key, .reason = {}, .left_out = Json::array()};
  if (request.verify) fs::remove(key.folder / "verified", none);
  find_or_build(request, source, reader, key, out, progress);
  refuse_if_strict(source, read_json_file(key.folder / "manifest.json").value("left_out", Json::array()));
  if (split_sidecar(plan.file).is_null()) {
    require_writable(request.cache, "splits must be drawn");
    const Descriptor lock = lock_file(request.cache / (key.key + ".lock"));
    if (split_sidecar(plan.file).is_null()) {
      if (!out.built && fs::exists(plan.file)) out.reason = "the split file was damaged and is written again";
      build_splits(plan, request, source, Prepared::open(key.folder));
    }
  }
  add_left_out(out);
  out.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return out;
}

}  // namespace espalier
