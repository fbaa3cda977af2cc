#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

struct sqlite3;
struct sqlite3_stmt;

namespace espalier {

class Database;

/// One prepared statement; parameters are bound in order of the calls.
class Statement {
 public:
  Statement(const Database& database, const std::string& sql);
  Statement& bind(int64_t value);
  Statement& bind(double value);
  Statement& bind(const std::string& value);
  Statement& bind(const std::optional<double>& value);
  /// True while there is a row. Throws E3002 or E3012.
  bool step();
  int64_t integer(int column) const;
  double number(int column) const;
  std::string text(int column) const;
  bool is_null(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  const Database& database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int bound_ = 0;
};

/// One connection. Throws E3xxx.
class Database {
 public:
  /// `read_only`: no file beside it is needed or made, and nobody may be writing.
  Database(const std::string& name, bool read_only);
  void run(const std::string& sql) const;
  /// Rows that the last statement changed.
  int64_t changes() const;
  /// Throws what SQLite says last.
  [[noreturn]] void complain(int code, const std::string& doing) const;
  sqlite3* handle() const { return handle_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  std::string name_;
  std::unique_ptr<sqlite3, Close> handle_;
};

/// `begin immediate` now; rolled back unless committed.
class Transaction {
 public:
  explicit Transaction(const Database& database);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  const Database& database_;
  bool open_ = true;
};

/// Throws E3010 if `folder` lies on a file system of the network, where SQLite's locks do not hold.
void refuse_network_folder(const std::filesystem::path& folder);

}  // namespace espalier
