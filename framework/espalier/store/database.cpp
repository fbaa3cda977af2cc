#include "espalier/store/database.h"

#include "espalier/error.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <sys/vfs.h>

#include <array>
#include <chrono>
#include <thread>
#include <utility>

namespace espalier {

namespace {

/// Waits for another connection's lock: SQLite's own handler sleeps in steps that starve one of many waiters.
int wait_for_lock(void*, int count) {
  constexpr int kMostWaits = 3000;
  if (count >= kMostWaits) return 0;
  std::this_thread::sleep_for(std::chrono::milliseconds(1 + count % 19));
  return 1;
}

/// A path as it stands in a URI.
std::string escape_uri(const std::string& path) {
  std::string out;
  for (const char c : path) out += c == '%' || c == '?' || c == '#' ? fmt::format("%{:02X}", static_cast<int>(c)) : std::string(1, c);
  return out;
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
void Database::Close::operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }

Statement::Statement(const Database& database, const std::string& sql) : database_(database) {
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v2(database.handle(), sql.c_str(), -1, &raw, nullptr);
  statement_.reset(raw);
  if (code != SQLITE_OK) database.complain(code, sql);
}

Statement& Statement::bind(int64_t value) {
  sqlite3_bind_int64(statement_.get(), ++bound_, value);
  return *this;
}
Statement& Statement::bind(double value) {
  sqlite3_bind_double(statement_.get(), ++bound_, value);
  return *this;
}
Statement& Statement::bind(const std::string& value) {
  // A null destructor is SQLITE_STATIC and would need the text to outlive the statement: let SQLite copy.
  const auto copy = reinterpret_cast<sqlite3_destructor_type>(static_cast<intptr_t>(-1));
  sqlite3_bind_text(statement_.get(), ++bound_, value.c_str(), static_cast<int>(value.size()), copy);
  return *this;
}
Statement& Statement::bind(const std::optional<double>& value) {
  if (value) return bind(*value);
  sqlite3_bind_null(statement_.get(), ++bound_);
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  database_.complain(code, sqlite3_sql(statement_.get()));
}

int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }
double Statement::number(int column) const { return sqlite3_column_double(statement_.get(), column); }
std::string Statement::text(int column) const {
  const unsigned char* text = sqlite3_column_text(statement_.get(), column);
  return text == nullptr ? "" : reinterpret_cast<const char*>(text);
}
bool Statement::is_null(int column) const { return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL; }

Database::Database(const std::string& name, bool read_only) : name_(name) {
  sqlite3* raw = nullptr;
  const int flags = (read_only ? SQLITE_OPEN_READONLY | SQLITE_OPEN_URI : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) | SQLITE_OPEN_FULLMUTEX;
  const std::string opened = read_only ? "file:" + escape_uri(name) + "?immutable=1" : name;
  const int code = sqlite3_open_v2(opened.c_str(), &raw, flags, nullptr);
  handle_.reset(raw);
  if (code != SQLITE_OK) fail("E3001", fmt::format("cannot open the store '{}': {}", name, sqlite3_errstr(code)));
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_handler(raw, wait_for_lock, nullptr);
}

void Database::run(const std::string& sql) const {
  const int code = sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) complain(code, sql);
}

int64_t Database::changes() const { return sqlite3_changes64(handle_.get()); }

void Database::complain(int code, const std::string& doing) const {
  const std::string said = sqlite3_errmsg(handle_.get());
  const int kind = code & 0xff;
  if (kind == SQLITE_BUSY || kind == SQLITE_LOCKED)
    fail("E3012", fmt::format("the store '{}' stayed locked by another process", name_),
         "end the process that holds it, perhaps one that was stopped");
  if (kind == SQLITE_FULL) fail("E3013", fmt::format("no space left for the store '{}'", name_));
  if (kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB)
    fail("E3014", fmt::format("'{}' is not a whole SQLite file: {}", name_, said));
  fail("E3002", fmt::format("the store '{}' failed: {} (while doing: {})", name_, said, doing.substr(0, 80)));
}

Transaction::Transaction(const Database& database) : database_(database) { database_.run("begin immediate"); }
Transaction::~Transaction() {
  if (open_) sqlite3_exec(database_.handle(), "rollback", nullptr, nullptr, nullptr);
}
void Transaction::commit() {
  database_.run("commit");
  open_ = false;
}

void refuse_network_folder(const std::filesystem::path& folder) {
  static constexpr std::array<std::pair<uint32_t, const char*>, 5> kNetwork{{{0x6969, "NFS"},
                                                                           {0x0BD00BD0, "Lustre"},
                                                                           {0x47504653, "GPFS"},
                                                                           {0xFF534D42, "CIFS"},
                                                                           {0xFE534D42, "SMB2"}}};
  struct statfs found {};
  if (statfs(folder.c_str(), &found) != 0) return;
  for (const auto& [magic, name] : kNetwork)
    if (static_cast<uint32_t>(found.f_type) == magic)
      fail("E3010", fmt::format("'{}' lies on {}, where SQLite's locks do not hold", folder.string(), name),
           "put the study on a local disk");
}

}  // namespace espalier
