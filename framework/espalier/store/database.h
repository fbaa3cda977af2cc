#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace espalier {

/// A statement that is being executed. Parameters are bound in the order of the question marks; columns count from 0.
class Cursor {
 public:
  virtual ~Cursor() = default;
  virtual void bind(int64_t value) = 0;
  virtual void bind(double value) = 0;
  virtual void bind(const std::string& value) = 0;
  virtual void bind_null() = 0;
  /// True while there is a row.
  virtual bool step() = 0;
  virtual int64_t integer(int column) const = 0;
  virtual double number(int column) const = 0;
  virtual std::string text(int column) const = 0;
  virtual bool is_null(int column) const = 0;
};

/// One connection to an SQL database: what differs between the engines. Throws E3001 (cannot be opened), E3012 (locked),
/// E3013 (no space), E3014 (damaged), E3002 (anything else).
class Database {
 public:
  virtual ~Database() = default;
  virtual std::unique_ptr<Cursor> prepare(const std::string& sql) const = 0;
  virtual void run(const std::string& sql) const = 0;
  /// Rows that the last statement changed.
  virtual int64_t changes() const = 0;
  /// Begins a transaction that no other one writes beside.
  virtual void begin() const = 0;
  /// Ends it; returns once it is as durable as the database makes it.
  virtual void commit() const = 0;
  /// The format of the tables, 0 for none yet; set by `set_format` within a transaction.
  virtual int64_t format() const = 0;
  virtual void set_format(int64_t format) const = 0;
  /// Seconds on a clock that no change of the wall clock touches, as an SQL expression.
  virtual std::string now() const = 0;
  /// Names the clock of `now`: two readings compare only under one name.
  virtual std::string clock() const = 0;
  /// The name under which its users know it, for messages.
  virtual const std::string& name() const = 0;
};

/// One prepared statement; parameters are bound in the order of the calls.
class Statement {
 public:
  Statement(const Database& database, const std::string& sql) : cursor_(database.prepare(sql)) {}
  template <class T>
  Statement& bind(const T& value) {
    cursor_->bind(value);
    return *this;
  }
  Statement& bind(const std::optional<double>& value) {
    if (value) cursor_->bind(*value);
    else cursor_->bind_null();
    return *this;
  }
  bool step() { return cursor_->step(); }
  /// Lets go of rows that are left: one that changes any holds its transaction open.
  void end() { cursor_.reset(); }
  int64_t integer(int column) const { return cursor_->integer(column); }
  double number(int column) const { return cursor_->number(column); }
  std::string text(int column) const { return cursor_->text(column); }
  bool is_null(int column) const { return cursor_->is_null(column); }

 private:
  std::unique_ptr<Cursor> cursor_;
};

/// Rolled back unless committed.
class Transaction {
 public:
  explicit Transaction(const Database& database) : database_(database) { database_.begin(); }
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  const Database& database_;
  bool open_ = true;
};

/// One SQLite file, or ":memory:". `read_only`: no file beside it is needed or made, and nobody may be writing.
std::unique_ptr<Database> open_sqlite_database(const std::string& file, bool read_only);
/// A schema of a PostgreSQL database, made if absent. `url` as libpq takes it: "postgresql://host/name", "host=/run/pg dbname=x".
std::unique_ptr<Database> open_postgres_database(const std::string& url, const std::string& schema);

/// Throws E3010 if `folder` lies on a file system of the network, where SQLite's locks do not hold.
void refuse_network_folder(const std::filesystem::path& folder);

}  // namespace espalier
