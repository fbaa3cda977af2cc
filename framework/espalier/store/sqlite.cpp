#include "espalier/error.h"
#include "espalier/store/database.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <sys/vfs.h>

#include <array>
#include <chrono>
#include <ctime>
#include <fstream>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

namespace espalier {

namespace {

/// Waits for another connection's lock: SQLite's own handler sleeps in steps that starve one of many waiters.
int wait_for_lock(void*, int count) {
  constexpr int kMostWaits = 40000;
  if (count >= kMostWaits) return 0;
  std::this_thread::sleep_for(std::chrono::microseconds(200 + 97 * (count % 16)));
  return 1;
}

/// A path as it stands in a URI.
std::string escape_uri(const std::string& path) {
  std::string out;
  for (const char c : path) out += c == '%' || c == '?' || c == '#' ? fmt::format("%{:02X}", static_cast<int>(c)) : std::string(1, c);
  return out;
}

/// The SQL function that tells the time: seconds since the machine was started, also those that it slept.
void tell_boot_seconds(sqlite3_context* context, int, sqlite3_value**) {
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);
  sqlite3_result_double(context, static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec));
}

std::string boot_name() {
  std::string name;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id") >> std::ws, name);
  return name;
}

[[noreturn]] void complain(sqlite3* handle, const std::string& name, int code, const std::string& doing) {
  const std::string said = sqlite3_errmsg(handle);
  const int kind = code & 0xff;
  if (kind == SQLITE_BUSY || kind == SQLITE_LOCKED)
    fail("E3012", fmt::format("the store '{}' stayed locked by another process", name),
         "end the process that holds it, perhaps one that was stopped");
  if (kind == SQLITE_FULL) fail("E3013", fmt::format("no space left for the store '{}'", name));
  if (kind == SQLITE_CORRUPT || kind == SQLITE_NOTADB)
    fail("E3014", fmt::format("'{}' is not a whole SQLite file: {}", name, said));
  fail("E3002", fmt::format("the store '{}' failed: {} (while doing: {})", name, said, doing.substr(0, 80)));
}

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
struct Close {
  void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
};
using Prepared = std::unique_ptr<sqlite3_stmt, Finalize>;

/// Statements that were prepared and are not in use: preparing one takes longer than running it.
class Shelf {
 public:
  Prepared take(const std::string& sql) {
    const auto found = idle_.find(sql);
    if (found == idle_.end() || found->second.empty()) return nullptr;
    Prepared statement = std::move(found->second.back());
    found->second.pop_back();
    return statement;
  }
  void give(Prepared statement) {
    sqlite3_reset(statement.get());
    sqlite3_clear_bindings(statement.get());
    const char* sql = sqlite3_sql(statement.get());
    idle_[sql].push_back(std::move(statement));
  }

 private:
  std::unordered_map<std::string, std::vector<Prepared>> idle_;
};

class SqliteCursor final : public Cursor {
 public:
  SqliteCursor(sqlite3* handle, const std::string& name, const std::string& sql, Shelf& shelf)
      : handle_(handle), name_(name), shelf_(shelf), statement_(shelf.take(sql)) {
    if (statement_) return;
    sqlite3_stmt* raw = nullptr;
    const int code = sqlite3_prepare_v3(handle, sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
    statement_.reset(raw);
    if (code != SQLITE_OK) complain(handle, name, code, sql);
  }
  ~SqliteCursor() override {
    if (statement_) shelf_.give(std::move(statement_));
  }
  SqliteCursor(const SqliteCursor&) = delete;
  SqliteCursor& operator=(const SqliteCursor&) = delete;
  void bind(int64_t value) override { sqlite3_bind_int64(statement_.get(), ++bound_, value); }
  void bind(double value) override { sqlite3_bind_double(statement_.get(), ++bound_, value); }
  void bind(const std::string& value) override {
    // A null destructor is SQLITE_STATIC and would need the text to outlive the statement: let SQLite copy.
    const auto copy = reinterpret_cast<sqlite3_destructor_type>(static_cast<intptr_t>(-1));
    sqlite3_bind_text(statement_.get(), ++bound_, value.c_str(), static_cast<int>(value.size()), copy);
  }
  void bind_null() override { sqlite3_bind_null(statement_.get(), ++bound_); }
  bool step() override {
    const int code = sqlite3_step(statement_.get());
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    complain(handle_, name_, code, sqlite3_sql(statement_.get()));
  }
  int64_t integer(int column) const override { return sqlite3_column_int64(statement_.get(), column); }
  double number(int column) const override { return sqlite3_column_double(statement_.get(), column); }
  std::string text(int column) const override {
    const unsigned char* text = sqlite3_column_text(statement_.get(), column);
    return text == nullptr ? "" : reinterpret_cast<const char*>(text);
  }
  bool is_null(int column) const override { return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL; }

 private:
  sqlite3* handle_;
  const std::string& name_;
  Shelf& shelf_;
  Prepared statement_;
  int bound_ = 0;
};

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase(const std::string& file, bool read_only) : name_(file), boot_(boot_name()) {
    sqlite3* raw = nullptr;
    const int flags = (read_only ? SQLITE_OPEN_READONLY | SQLITE_OPEN_URI : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) | SQLITE_OPEN_FULLMUTEX;
    const std::string opened = read_only ? "file:" + escape_uri(file) + "?immutable=1" : file;
    const int code = sqlite3_open_v2(opened.c_str(), &raw, flags, nullptr);
    handle_.reset(raw);
    if (code != SQLITE_OK) fail("E3001", fmt::format("cannot open the store '{}': {}", file, sqlite3_errstr(code)));
    sqlite3_extended_result_codes(raw, 1);
    sqlite3_busy_handler(raw, wait_for_lock, nullptr);
    sqlite3_create_function_v2(raw, "boot_seconds", 0, SQLITE_UTF8, nullptr, tell_boot_seconds, nullptr, nullptr, nullptr);
    if (file != ":memory:" && !read_only) run("pragma journal_mode = wal");
    // Nothing that is committed is lost when a process dies; when the machine loses power the last moments may be.
    run("pragma synchronous = normal; pragma foreign_keys = on");
  }

  std::unique_ptr<Cursor> prepare(const std::string& sql) const override {
    return std::make_unique<SqliteCursor>(handle_.get(), name_, sql, shelf_);
  }
  void run(const std::string& sql) const override {
    const int code = sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) complain(handle_.get(), name_, code, sql);
  }
  int64_t changes() const override { return sqlite3_changes64(handle_.get()); }
  void begin() const override { run("begin immediate"); }
  void commit() const override { run("commit"); }
  int64_t format() const override {
    const auto version = prepare("pragma user_version");
    version->step();
    return version->integer(0);
  }
  void set_format(int64_t format) const override { run(fmt::format("pragma user_version = {}", format)); }
  std::string now() const override { return "boot_seconds()"; }
  std::string clock() const override { return boot_; }
  const std::string& name() const override { return name_; }

 private:
  std::string name_;
  std::string boot_;
  std::unique_ptr<sqlite3, Close> handle_;
  mutable Shelf shelf_;
};

}  // namespace

std::unique_ptr<Database> open_sqlite_database(const std::string& file, bool read_only) {
  return std::make_unique<SqliteDatabase>(file, read_only);
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
