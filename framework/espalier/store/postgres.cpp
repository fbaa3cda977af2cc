#include "espalier/error.h"
#include "espalier/store/database.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <cstdlib>
#include <unordered_map>
#include <vector>

namespace espalier {

namespace {

struct Clear {
  void operator()(PGresult* result) const { PQclear(result); }
};
struct Finish {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
using PgResult = std::unique_ptr<PGresult, Clear>;

/// "?" in the order of their places becomes "$1", "$2", ...; our statements hold no question mark in a text.
std::string numbered(const std::string& sql) {
  std::string out;
  int count = 0;
  for (const char c : sql) out += c == '?' ? fmt::format("${}", ++count) : std::string(1, c);
  return out;
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

/// The kind of an error, as SQL numbers them; "" if not the server but the connection to it has failed.
std::string state_of(const PGresult* result) {
  const char* field = result != nullptr ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : nullptr;
  return field != nullptr ? field : "";
}

[[noreturn]] void complain(const PGresult* result, const PGconn* connection, const std::string& name, const std::string& doing) {
  const std::string state = state_of(result);
  const std::string said = trimmed(result != nullptr ? PQresultErrorMessage(result) : PQerrorMessage(connection));
  if (state == "55P03" || state == "57014")
    fail("E3012", fmt::format("the store '{}' stayed locked by another process", name),
         "end the process that holds it, perhaps one that was stopped");
  if (state == "53100") fail("E3013", fmt::format("no space left for the store '{}'", name));
  fail("E3002", fmt::format("the store '{}' failed: {} (while doing: {})", name, said, doing.substr(0, 80)));
}

/// A connection that is made again when the server has restarted; a transaction that was open then has failed.
class PostgresDatabase final : public Database {
 public:
  PostgresDatabase(const std::string& url, const std::string& schema) : url_(url), schema_(schema), name_(url + " " + schema) { connect(); }

  std::unique_ptr<Cursor> prepare(const std::string& sql) const override;
  void run(const std::string& sql) const override { execute(sql, {}); }
  int64_t changes() const override { return changes_; }
  void begin() const override {
    // One writer at a time, as in SQLite: the statements are written for that, and each takes well below a millisecond.
    run(fmt::format("begin; set local synchronous_commit = off; select pg_advisory_xact_lock(hashtext('{}'))", schema_));
  }
  void commit() const override {
    // The writer's turn is over before its flush, so that one flush serves all who wait for theirs: the message, which nobody
    // reads, is a transaction of its own and returns when the log is on the disk up to it. Not repeated on another connection:
    // what this one has lost must not be said to be kept.
    try_once("commit; select pg_logical_emit_message(true, 'espalier', '')", {});
  }
  int64_t format() const override {
    const PgResult found = execute(fmt::format("select obj_description(to_regnamespace('\"{}\"'), 'pg_namespace')", schema_), {});
    return PQgetisnull(found.get(), 0, 0) != 0 ? 0 : std::strtoll(PQgetvalue(found.get(), 0, 0), nullptr, 10);
  }
  void set_format(int64_t format) const override { run(fmt::format("comment on schema \"{}\" is '{}'", schema_, format)); }
  std::string now() const override { return "extract(epoch from clock_timestamp())::double precision"; }
  std::string clock() const override { return "server"; }
  const std::string& name() const override { return name_; }

  /// Outside a transaction a statement is repeated on a new connection if the old one is found to be lost: all that stand alone
  /// may be carried out twice.
  PgResult execute(const std::string& sql, const std::vector<std::optional<std::string>>& values) const {
    if (PQstatus(connection_.get()) != CONNECTION_OK) connect();
    const bool stands_alone = PQtransactionStatus(connection_.get()) == PQTRANS_IDLE;
    try {
      return try_once(sql, values);
    } catch (const Error& error) {
      if (!stands_alone || error.problems().front().code != "E3017") throw;
    }
    connect();
    return try_once(sql, values);
  }

 private:
  PgResult try_once(const std::string& sql, const std::vector<std::optional<std::string>>& values) const {
    // Without parameters several statements may stand in one text.
    PgResult result(values.empty() ? PQexec(connection_.get(), sql.c_str()) : execute_prepared(sql, values));
    require_success(result, sql);
    changes_ = std::strtoll(PQcmdTuples(result.get()), nullptr, 10);
    return result;
  }

  void require_success(const PgResult& result, const std::string& sql) const {
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return;
    const std::string state = state_of(result.get());
    // A server that stops says so (57P01 to 57P03) before it hangs up.
    if (PQstatus(connection_.get()) == CONNECTION_OK && !state.empty() && !state.starts_with("57P0"))
      complain(result.get(), connection_.get(), name_, sql);
    const std::string said = trimmed(PQerrorMessage(connection_.get()));
    connection_.reset();
    fail("E3017", fmt::format("the connection to the store '{}' is lost: {}", name_, said.substr(0, said.find('\n'))));
  }

  /// Each statement is parsed and planned once in a connection.
  PGresult* execute_prepared(const std::string& sql, const std::vector<std::optional<std::string>>& values) const {
    const auto [entry, is_new] = prepared_.try_emplace(sql, fmt::format("s{}", names_));
    if (is_new) {
      ++names_;
      const PgResult result(PQprepare(connection_.get(), entry->second.c_str(), sql.c_str(), 0, nullptr));
      if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) prepared_.erase(entry);
      require_success(result, sql);
    }
    std::vector<const char*> pointers;
    for (const auto& value : values) pointers.push_back(value ? value->c_str() : nullptr);
    return PQexecPrepared(connection_.get(), entry->second.c_str(), static_cast<int>(values.size()), pointers.data(), nullptr, nullptr, 0);
  }

  void connect() const {
    prepared_.clear();
    connection_.reset(PQconnectdb(url_.c_str()));
    if (PQstatus(connection_.get()) != CONNECTION_OK)
      fail(schema_ready_ ? "E3017" : "E3001", fmt::format("cannot open the store '{}': {}", url_, trimmed(PQerrorMessage(connection_.get()))),
           "see that the server runs and that run.store names it");
    PQsetNoticeProcessor(connection_.get(), [](void*, const char*) {}, nullptr);
    run(fmt::format("set statement_timeout = '60s'; set lock_timeout = '30s'; set idle_in_transaction_session_timeout = '10s'; "
                    "create schema if not exists \"{0}\"; set search_path = \"{0}\"", schema_));
    schema_ready_ = true;
  }

  std::string url_;
  std::string schema_;
  std::string name_;
  mutable std::unique_ptr<PGconn, Finish> connection_;
  mutable std::unordered_map<std::string, std::string> prepared_ = {};   ///< names by text
  mutable int64_t names_ = 0;
  mutable int64_t changes_ = 0;
  mutable bool schema_ready_ = false;
};

class PostgresCursor final : public Cursor {
 public:
  PostgresCursor(const PostgresDatabase& database, const std::string& sql) : database_(database), sql_(numbered(sql)) {}
  void bind(int64_t value) override { values_.push_back(std::to_string(value)); }
  void bind(double value) override { values_.push_back(fmt::format("{}", value)); }
  void bind(const std::string& value) override { values_.push_back(value); }
  void bind_null() override { values_.push_back(std::nullopt); }
  bool step() override {
    if (!result_) result_ = database_.execute(sql_, values_);
    return ++row_ < PQntuples(result_.get());
  }
  int64_t integer(int column) const override { return std::strtoll(value(column), nullptr, 10); }
  double number(int column) const override { return std::strtod(value(column), nullptr); }
  std::string text(int column) const override { return value(column); }
  bool is_null(int column) const override { return PQgetisnull(result_.get(), row_, column) != 0; }

 private:
  const char* value(int column) const { return PQgetvalue(result_.get(), row_, column); }

  const PostgresDatabase& database_;
  std::string sql_;
  std::vector<std::optional<std::string>> values_;
  PgResult result_;
  int row_ = -1;
};

std::unique_ptr<Cursor> PostgresDatabase::prepare(const std::string& sql) const { return std::make_unique<PostgresCursor>(*this, sql); }

}  // namespace

std::unique_ptr<Database> open_postgres_database(const std::string& url, const std::string& schema) {
  for (const char c : schema)
    require(std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-', "E3001",
            fmt::format("'{}' cannot name a study in PostgreSQL: letters, digits, '_' and '-' can", schema));
  return std::make_unique<PostgresDatabase>(url, schema);
}

}  // namespace espalier
