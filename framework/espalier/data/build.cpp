#include "espalier/data/cache.h"

#include "espalier/data/files.h"
#include "espalier/data/hdf5.h"
#include "espalier/error.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

namespace espalier {
namespace fs = std::filesystem;
namespace {

constexpr size_t kExamples = 5;

/// Rows left out, by cause.
class LeftOut {
 public:
  void add(const Rejected& rejected) {
    auto& [count, examples] = causes_[rejected.cause];
    ++count;
    if (examples.size() < kExamples) examples.push_back(rejected.detail);
  }
  Json to_json() const {
    Json out = Json::array();
    for (const auto& [cause, what] : causes_)
      out.push_back({{"cause", cause}, {"count", what.first}, {"examples", what.second}});
    return out;
  }

 private:
  std::map<std::string, std::pair<int64_t, std::vector<std::string>>> causes_;
};

/// Decoded pictures of one column, all of one size, in an unnamed file: they may exceed the memory.
struct Pictures {
  std::string name;
  std::string field;
  Shape shape;       ///< (H, W, C)
  size_t bytes = 0;  ///< of one
  Descriptor file;
  Mapping mapping;
};

std::string describe(const Shape& hwc) {
  return std::to_string(hwc[0]) + " x " + std::to_string(hwc[1]) + " x " + std::to_string(hwc[2]);
}

Shape shape_of(const Picture& p) { return {p.height, p.width, p.channels}; }

/// The size of the first picture that can be decoded; the others must agree.
Shape first_shape(const Samples& samples, const std::string& field, const std::vector<PrepareStep>& steps) {
  for (int64_t row = 0; row < samples.rows(); ++row) {
    try {
      return shape_of(prepared_picture(samples.picture(field, row), steps));
    } catch (const Rejected&) {
      continue;  // counted when all are decoded
    }
  }
  fail("E2102", "no picture of column '" + field + "' can be read");
}

Pictures room_for(const std::string& name, const std::string& field, const Samples& samples, const std::vector<PrepareStep>& steps,
                  const fs::path& folder) {
  Pictures out{.name = name, .field = field, .shape = first_shape(samples, field, steps), .bytes = 0, .file = Descriptor(), .mapping = {}};
  out.bytes = static_cast<size_t>(elements(out.shape));
  const fs::path file = temporary_name(folder / "pictures");
  out.file = Descriptor(open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  const size_t size = out.bytes * static_cast<size_t>(samples.rows());
  // Space is claimed now: a full disk is an error here and a bus error in the mapping later.
  const bool made = out.file.number() >= 0 && posix_fallocate(out.file.number(), 0, static_cast<off_t>(size)) == 0;
  unlink(file.c_str());
  require(made, "E2202", "no room for " + std::to_string(size >> 20) + " MiB of pictures in '" + folder.string() + "'");
  out.mapping = Mapping(out.file, size, true);
  return out;
}

/// Decodes rows on all processors; returns why each unusable row is unusable.
std::map<int64_t, Rejected> decode_all(const Samples& samples, std::vector<Pictures>& columns, const std::vector<PrepareStep>& steps,
                                       const Progress& progress) {
  const int64_t rows = samples.rows();
  constexpr int64_t kBlock = 64;
  std::atomic<int64_t> next{0};
  std::mutex guard;
  std::map<int64_t, Rejected> unusable;
  std::exception_ptr failure;
  auto decode_row = [&](int64_t row) {
    for (Pictures& column : columns) {
      const Picture picture = prepared_picture(samples.picture(column.field, row), steps);
      if (shape_of(picture) != column.shape)
        fail("E2103",
             "pictures of column '" + column.name + "' differ in size: " + describe(column.shape) + " and " +
                 describe(shape_of(picture)) + " (" + samples.origin(row) + ")",
             picture.channels != column.shape[2] ? "add grey or rgb to data.prepare"
                                                 : "add {resize: {size: [height, width]}} to data.prepare");
      std::memcpy(column.mapping.bytes() + static_cast<size_t>(row) * column.bytes, picture.pixels.data(), column.bytes);
    }
  };
  auto work = [&](bool reports) {
    try {
      for (int64_t first = 0; (first = next.fetch_add(kBlock)) < rows;) {
        for (int64_t row = first; row < std::min(rows, first + kBlock); ++row) {
          try {
            decode_row(row);
          } catch (const Rejected& rejected) {
            const std::scoped_lock lock(guard);
            unusable.emplace(row, rejected);
          }
        }
        if (reports && progress) progress("decoding pictures", static_cast<double>(first) / static_cast<double>(rows));
      }
    } catch (...) {
      const std::scoped_lock lock(guard);
      failure = std::current_exception();
      next = rows;
    }
  };
  {
    const unsigned count = std::clamp(std::thread::hardware_concurrency(), 1U, 16U);
    std::vector<std::jthread> threads;
    for (unsigned i = 1; i < count; ++i) threads.emplace_back(work, false);
    work(true);
  }
  if (failure) std::rethrow_exception(failure);
  return unusable;
}

/// Moves the usable pictures to the front.
void close_gaps(Pictures& column, const std::vector<int64_t>& kept) {
  for (size_t to = 0; to < kept.size(); ++to) {
    const auto from = static_cast<size_t>(kept[to]);
    if (from != to) std::memmove(column.mapping.bytes() + to * column.bytes, column.mapping.bytes() + from * column.bytes, column.bytes);
  }
}

/// Values of a column in the form in which they are stored.
struct Stored {
  Json about;
  std::string type;
  std::vector<int64_t> extents;
  size_t text_size = 1;
  std::vector<unsigned char> bytes;

  Table table() const {
    return {.name = about.at("name"), .type = type, .extents = extents, .values = bytes.data(), .text_size = text_size, .about = about.dump()};
  }
};

template <class To, class From>
void append(std::vector<unsigned char>& bytes, From value) {
  const To stored = static_cast<To>(value);
  const auto* start = reinterpret_cast<const unsigned char*>(&stored);
  bytes.insert(bytes.end(), start, start + sizeof(To));
}

Stored store_texts(const std::string& name, const std::vector<std::string>& texts) {
  Stored out{.about = {}, .type = "string", .extents = {static_cast<int64_t>(texts.size())}, .text_size = 1, .bytes = {}};
  for (const std::string& text : texts) out.text_size = std::max(out.text_size, text.size());
  out.bytes.resize(texts.size() * out.text_size);
  for (size_t i = 0; i < texts.size(); ++i) std::memcpy(out.bytes.data() + i * out.text_size, texts[i].data(), texts[i].size());
  out.about = {{"name", name}, {"kind", "id"}, {"shape", Json::array()}, {"type", "string"}, {"names", Json::array()}, {"unit", ""}};
  return out;
}

Stored store(const Column& column, const std::vector<int64_t>& kept) {
  if (column.kind == ColumnKind::id) {
    std::vector<std::string> texts;
    for (const int64_t row : kept) texts.push_back(column.ids.at(static_cast<size_t>(row)));
    return store_texts(column.name, texts);
  }
  Stored out{.about = {}, .type = "float32", .extents = {static_cast<int64_t>(kept.size())}, .text_size = 1, .bytes = {}};
  Shape shape;
  if (column.kind == ColumnKind::class_label) {
    out.type = "int64";
    for (const int64_t row : kept) append<int64_t>(out.bytes, column.labels.at(static_cast<size_t>(row)));
  } else {
    const size_t width = column.kind == ColumnKind::number ? 1 : column.names.size();
    if (column.kind != ColumnKind::number) shape = {static_cast<int64_t>(width)};
    for (const int64_t row : kept)
      for (size_t k = 0; k < width; ++k) append<float>(out.bytes, column.numbers.at(static_cast<size_t>(row) * width + k));
  }
  out.extents.insert(out.extents.end(), shape.begin(), shape.end());
  out.about = {{"name", column.name}, {"kind", to_string(column.kind)}, {"shape", shape},
               {"type", out.type},    {"names", column.names},          {"unit", column.unit}};
  return out;
}

Json about_pictures(const Pictures& column) {
  return {{"name", column.name}, {"kind", "image"}, {"shape", column.shape}, {"type", "uint8"}, {"names", Json::array()}, {"unit", ""}};
}

/// Removes what builders left that were interrupted. The caller holds the lock of this cache: nobody else writes into it.
void remove_leftovers(const fs::path& folder) {
  std::vector<fs::path> leftovers;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().filename().native().find(".tmp.") != std::string::npos) leftovers.push_back(entry.path());
  std::error_code ignored;
  for (const fs::path& file : leftovers) fs::remove(file, ignored);
}

/// Writes data.h5 and then the manifest, whose presence says that all is there.
void publish_cache(const CacheKey& key, const Source& source, const std::vector<Table>& tables, Json manifest) {
  write_whole(key.folder / "data.h5", [&](const fs::path& temporary) {
    write_tables(temporary, tables);
    manifest["sha256"] = sha256_of_file(temporary);
    manifest["size"] = fs::file_size(temporary);
    fs::permissions(temporary, fs::perms::owner_read | fs::perms::group_read | fs::perms::others_read);
  });
  manifest["dataset"] = source.dataset;
  write_file_safely(key.folder / "manifest.json", manifest.dump(1));
  remember_verified(key.folder, manifest.at("sha256"));
}

}  // namespace

void refuse_if_strict(const Source& source, const Json& left_out) {
  if (!source.strict || left_out.empty()) return;
  Problem problem;
  problem.code = "E2102";
  problem.message = "some samples cannot be read, and data.strict is true";
  for (const Json& cause : left_out)
    problem.notes.push_back(cause.at("cause").get<std::string>() + ": " + std::to_string(cause.at("count").get<int64_t>()) + ", such as " +
                            join(cause.at("examples").get<std::vector<std::string>>()));
  throw Error(problem);
}

void build_cache(const CacheKey& key, const Source& source, const ReaderType& reader, const Progress& progress) {
  if (progress) progress("reading with " + source.reader, 0.0);
  const std::unique_ptr<Samples> samples = reader.open(source.settings, key.inputs);
  std::vector<std::string> fields;
  const std::vector<Column> columns = apply_rules(samples->columns(), source.rules, &fields);
  fs::create_directories(key.folder);
  remove_leftovers(key.folder);
  std::vector<Pictures> pictures;
  const Json& wanted = key.fields.at("images");
  size_t image = 0;
  for (const Column& column : columns) {
    if (column.kind != ColumnKind::image) continue;
    const std::string& field = fields.at(image++);
    // A picture that nobody looks at must not take its row away.
    if (wanted.is_null() || std::ranges::find(wanted, Json(column.name)) != wanted.end())
      pictures.push_back(room_for(column.name, field, *samples, source.steps, key.folder));
  }
  const std::map<int64_t, Rejected> unusable = decode_all(*samples, pictures, source.steps, progress);

  LeftOut left_out;
  for (const Rejected& rejected : samples->rejected()) left_out.add(rejected);
  for (const auto& [row, rejected] : unusable) left_out.add({rejected.cause, samples->origin(row)});
  refuse_if_strict(source, left_out.to_json());
  std::vector<int64_t> kept;
  std::vector<std::string> origins;
  for (int64_t row = 0; row < samples->rows(); ++row) {
    if (unusable.contains(row)) continue;
    kept.push_back(row);
    origins.push_back(samples->origin(row));
  }

  if (progress) progress("writing the cache", 1.0);
  std::vector<Stored> stored;
  Json about = Json::array();
  std::vector<Table> tables;
  for (Pictures& column : pictures) {
    close_gaps(column, kept);
    std::vector<int64_t> extents = {static_cast<int64_t>(kept.size())};
    extents.insert(extents.end(), column.shape.begin(), column.shape.end());
    about.push_back(about_pictures(column));
    tables.push_back({.name = column.name, .type = "uint8", .extents = extents, .values = column.mapping.bytes(), .text_size = 1,
                      .about = about.back().dump()});
  }
  for (const Column& column : columns) {
    if (column.kind == ColumnKind::image) continue;
    stored.push_back(store(column, kept));
    about.push_back(stored.back().about);
  }
  stored.push_back(store_texts(kOrigins, origins));
  for (const Stored& column : stored) tables.push_back(column.table());
  publish_cache(key, source, tables,
                {{"format", kCacheFormat}, {"key", key.fields}, {"rows", kept.size()}, {"columns", about}, {"left_out", left_out.to_json()}});
}

}  // namespace espalier
