#include "espalier/error.h"
#include "espalier/store/store.h"

#include <fmt/format.h>

#include <fstream>

namespace espalier {

namespace {

constexpr const char* kFile = "study.db";
/// Instead of a URL: a file whose commits are flushed.
constexpr const char* kFlushedFile = "sqlite-flushed";
/// Holds one line: where the database is.
constexpr const char* kLine = "study.url";

std::string url_in(const std::filesystem::path& folder) {
  std::string url;
  std::getline(std::ifstream(folder / kLine), url);
  return url;
}

std::string schema_of(const std::filesystem::path& folder) { return std::filesystem::absolute(folder).lexically_normal().filename().string(); }

}  // namespace

bool has_study(const std::filesystem::path& folder) {
  std::error_code error;
  return std::filesystem::exists(folder / kFile, error) || std::filesystem::exists(folder / kLine, error);
}

std::unique_ptr<Store> open_store(const std::filesystem::path& folder) {
  require(has_study(folder), "E3019", fmt::format("there is no study in '{}'", folder.string()));
  const std::string url = url_in(folder);
  return url.empty() ? open_sqlite(folder / kFile) : open_postgres(url, schema_of(folder));
}

std::unique_ptr<Store> create_store(const std::filesystem::path& folder, const std::string& url) {
  const bool is_flushed = url == kFlushedFile;
  if (has_study(folder)) {
    const std::string before = url_in(folder);
    if (is_flushed && before.empty()) return open_sqlite(folder / kFile, is_flushed);
    if (!url.empty() && url != before)
      fail("E3018",
           fmt::format("the study in '{}' is kept in {}, not in '{}'", folder.string(), before.empty() ? "a file of its own" : "'" + before + "'",
                       url),
           "leave run.store as it was, or give another folder");
    return open_store(folder);
  }
  if (url.empty() || is_flushed) return open_sqlite(folder / kFile, is_flushed);
  std::unique_ptr<Store> store = open_postgres(url, schema_of(folder));
  std::ofstream out(folder / kLine);
  out << url << "\n";
  out.close();
  require(out.good(), "E3018", fmt::format("'{}' cannot be written", (folder / kLine).string()));
  return store;
}

}  // namespace espalier
