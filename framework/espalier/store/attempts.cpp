#include "espalier/store/attempts.h"

#include "espalier/store/database.h"
#include "espalier/store/store.h"

#include <unistd.h>

#include <fstream>

namespace espalier {

namespace {

/// As `open_store` finds it.
std::unique_ptr<Database> database_of(const std::filesystem::path& folder) {
  std::string url;
  std::getline(std::ifstream(folder / "study.url"), url);
  if (url.empty()) return open_sqlite_database((folder / "study.db").string(), access(folder.c_str(), W_OK) != 0);
  return open_postgres_database(url, std::filesystem::absolute(folder).lexically_normal().filename().string());
}

}  // namespace

std::vector<AttemptRecord> attempts(const std::filesystem::path& folder, std::optional<int64_t> trial) {
  if (!has_study(folder)) return {};
  const std::unique_ptr<Database> database = database_of(folder);
  Statement row(*database, std::string("select trial, part, token, owner, started, ended, outcome from attempt ") +
                               (trial ? "where trial = ? " : "") + "order by started, trial, part, token");
  if (trial) row.bind(*trial);
  std::vector<AttemptRecord> out;
  while (row.step())
    out.push_back({row.integer(0), row.text(1), row.integer(2), row.text(3), row.text(4), row.text(5), row.text(6)});
  return out;
}

}  // namespace espalier
