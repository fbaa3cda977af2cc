#include "espalier/store/store.h"

#include "espalier/error.h"
#include "espalier/store/database.h"
#include "espalier/store/schema.h"

#include <fmt/format.h>

#include <unistd.h>

#include <cmath>
#include <ctime>
#include <fstream>

namespace espalier {

namespace {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

double boot_seconds() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

std::string boot_name() {
  std::string name;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id") >> std::ws, name);
  return name;
}

/// Numbers that are not finite have no place in JSON: they are left out.
std::string dump(const Metrics& metrics) {
  Json json = Json::object();
  for (const auto& [name, value] : metrics)
    if (std::isfinite(value)) json[name] = value;
  return json.dump();
}

Metrics read_metrics(const std::string& text) {
  Metrics metrics;
  const Json json = Json::parse(text);
  for (const auto& [name, value] : json.items())
    if (value.is_number()) metrics[name] = value.get<double>();
  return metrics;
}

TrialState read_state(const std::string& word) {
  for (const TrialState state : {TrialState::queued, TrialState::running, TrialState::paused, TrialState::complete,
                                 TrialState::pruned, TrialState::failed, TrialState::preempted})
    if (to_string(state) == word) return state;
  fail("E3014", fmt::format("a trial has the unknown state '{}'", word));
}

constexpr const char* kColumns =
    "select number, settings, reason, state, cause, message, scores, objective, "
    "iif(part = '', coalesce((select sum(p.epochs) from trial p where p.number = trial.number and p.part <> '' and p.part <> 'refit'), "
    "epochs), epochs), seconds, checkpoint, started, "
    "ended, (select count(*) from attempt where attempt.trial = trial.number and attempt.part = trial.part), part from trial ";

/// Rows that can be claimed: free, abandoned on another boot or after a lease, or held by the one that asks.
constexpr const char* kFree =
    "select number, token + 1 from trial where (state = 'queued' or (state = 'running' and "
    "(held_until < ? or boot <> ? or owner = ?))) ";

TrialRecord read_trial(const Statement& row) {
  TrialRecord record{.number = row.integer(0), .settings = {}, .reason = row.text(2)};
  const Json settings = Json::parse(row.text(1));
  for (const auto& [name, value] : settings.items()) record.settings[name] = value;
  record.state = read_state(row.text(3));
  record.cause = row.text(4);
  record.message = row.text(5);
  record.scores = read_metrics(row.text(6));
  if (!row.is_null(7)) record.objective = row.number(7);
  record.epochs = row.number(8);
  record.seconds = row.number(9);
  record.checkpoint = row.text(10);
  record.started = row.text(11);
  record.ended = row.text(12);
  record.attempts = row.integer(13);
  record.part = row.text(14);
  return record;
}

class SqliteStore final : public Store {
 public:
  SqliteStore(const std::string& name, bool read_only) : database_(name, read_only), boot_(boot_name()) {
    if (name != ":memory:" && !read_only) database_.run("pragma journal_mode = wal");
    database_.run("pragma synchronous = full; pragma foreign_keys = on");
    if (read_only) {
      require(check_format(name) == kStoreFormat, "E3011", fmt::format("'{}' is of an older format and cannot be written", name));
      return;
    }
    Transaction transaction(database_);
    const int64_t found = check_format(name);
    if (found == 0) database_.run(kStoreSchema);
    if (found == 1)
      for (const char* step : kFromFormat1) database_.run(step);
    if (found < kStoreFormat) database_.run(fmt::format("pragma user_version = {}", kStoreFormat));
    transaction.commit();
  }

  void set_info(const std::string& name, const Json& value) override {
    Statement(database_, "insert into info values (?, ?) on conflict (name) do update set value = excluded.value")
        .bind(name).bind(value.dump()).step();
  }

  std::optional<Json> info(const std::string& name) const override {
    Statement row(database_, "select value from info where name = ?");
    if (!row.bind(name).step()) return std::nullopt;
    return Json::parse(row.text(0));
  }

  int64_t add(const Settings& settings, const std::string& reason, const Json& document) override {
    Statement row(database_, "insert into trial (number, settings, reason, document) "
                             "values ((select coalesce(max(number) + 1, 0) from trial), ?, ?, ?) returning number");
    row.bind(Json(settings).dump()).bind(reason).bind(document.dump());
    row.step();
    const int64_t number = row.integer(0);
    row.step();
    return number;
  }

  void add_part(int64_t trial, const std::string& part, const Json& document) override {
    Statement(database_, "insert or ignore into trial (number, part, settings, reason, document) "
                         "select number, ?, settings, reason, ? from trial where number = ? and part = ''")
        .bind(part).bind(document.dump()).bind(trial).step();
  }

  std::optional<Lease> claim(const std::string& owner, double seconds) override {
    Transaction transaction(database_);
    Statement row(database_, std::string(kFree) + "and part = '' order by number limit 1");
    if (!row.bind(boot_seconds()).bind(boot_).bind(owner).step()) return std::nullopt;
    return take({.trial = row.integer(0), .token = row.integer(1)}, owner, seconds, transaction);
  }

  std::optional<Lease> claim_part(int64_t trial, const std::string& part, const std::string& owner, double seconds) override {
    Transaction transaction(database_);
    Statement row(database_, std::string(kFree) + "and number = ? and part = ?");
    if (!row.bind(boot_seconds()).bind(boot_).bind(owner).bind(trial).bind(part).step()) return std::nullopt;
    return take({.trial = trial, .token = row.integer(1), .part = part}, owner, seconds, transaction);
  }

  bool renew(const Lease& lease, double seconds) override {
    Statement(database_, "update trial set held_until = ? where number = ? and part = ? and token = ? and state = 'running'")
        .bind(boot_seconds() + seconds).bind(lease.trial).bind(lease.part).bind(lease.token).step();
    return database_.changes() == 1;
  }

  bool record_epoch(const Lease& lease, const EpochRecord& epoch) override {
    Transaction transaction(database_);
    Statement(database_, "update trial set epochs = max(epochs, ?) where number = ? and part = ? and token = ? and state = 'running'")
        .bind(static_cast<double>(epoch.epoch)).bind(lease.trial).bind(lease.part).bind(lease.token).step();
    if (database_.changes() == 0) return false;
    Statement(database_, "insert or replace into epoch values (?, ?, ?, ?, ?)")
        .bind(lease.trial).bind(lease.part).bind(epoch.epoch).bind(lease.token).bind(dump(epoch.metrics)).step();
    transaction.commit();
    return true;
  }

  bool record_checkpoint(const Lease& lease, const std::string& path, const std::string& sha256, double epochs) override {
    Statement(database_, "update trial set checkpoint = ?, checkpoint_sha256 = ?, saved_epochs = ?, epochs = max(epochs, ?) "
                         "where number = ? and part = ? and token = ? and state = 'running'")
        .bind(path).bind(sha256).bind(epochs).bind(epochs).bind(lease.trial).bind(lease.part).bind(lease.token).step();
    return database_.changes() == 1;
  }

  bool complete(const Lease& lease, const Metrics& scores, std::optional<double> objective, double seconds) override {
    return end(lease, "complete", seconds, [&] {
      Statement(database_, "update trial set scores = ?, objective = ?, cause = '', message = '' where number = ? and part = ?")
          .bind(dump(scores)).bind(objective).bind(lease.trial).bind(lease.part).step();
    });
  }

  bool fail(const Lease& lease, const std::string& cause, const std::string& message, double seconds) override {
    return end(lease, "failed", seconds, [&] {
      Statement(database_, "update trial set cause = ?, message = ? where number = ? and part = ?")
          .bind(cause).bind(message).bind(lease.trial).bind(lease.part).step();
    });
  }

  bool release(const Lease& lease, double seconds) override { return end(lease, "queued", seconds, [] {}); }

  std::vector<TrialRecord> trials() const override {
    std::vector<TrialRecord> out;
    for (Statement row(database_, std::string(kColumns) + "where part = '' order by number"); row.step();) out.push_back(read_trial(row));
    return out;
  }

  std::vector<TrialRecord> parts(int64_t number) const override {
    std::vector<TrialRecord> out;
    Statement row(database_, std::string(kColumns) + "where number = ? and part <> '' order by rowid");
    row.bind(number);
    while (row.step()) out.push_back(read_trial(row));
    return out;
  }

  std::optional<TrialRecord> trial(int64_t number, const std::string& part) const override {
    Statement row(database_, std::string(kColumns) + "where number = ? and part = ?");
    if (!row.bind(number).bind(part).step()) return std::nullopt;
    return read_trial(row);
  }

  Json document(int64_t number, const std::string& part) const override {
    Statement row(database_, "select document from trial where number = ? and part = ?");
    require(row.bind(number).bind(part).step(), "E3015", fmt::format("the store has no trial {}{}", number, part.empty() ? "" : ", " + part));
    return Json::parse(row.text(0));
  }

  std::vector<EpochRecord> epochs(int64_t number, const std::string& part) const override {
    std::vector<EpochRecord> out;
    Statement row(database_, "select epoch, metrics from epoch where trial = ? and part = ? order by epoch");
    row.bind(number).bind(part);
    while (row.step()) out.push_back({.epoch = row.integer(0), .metrics = read_metrics(row.text(1))});
    return out;
  }

 private:
  [[noreturn]] static void fail(const std::string& code, const std::string& message, const std::string& hint) {
    espalier::fail(code, message, hint);
  }

  /// The format of the tables, 0 for none yet.
  int64_t check_format(const std::string& name) const {
    Statement version(database_, "pragma user_version");
    version.step();
    const int64_t found = version.integer(0);
    if (found > kStoreFormat)
      fail("E3011", fmt::format("'{}' has format {}, this espalier knows {}", name, found, kStoreFormat), "update espalier");
    return found;
  }

  /// Makes the lease of a row that is free, within the caller's transaction.
  Lease take(const Lease& lease, const std::string& owner, double seconds, Transaction& transaction) {
    const std::string time = utc_now();
    close_attempt({lease.trial, lease.token - 1, lease.part}, "lost");
    // What was learnt after the last checkpoint is learnt again, so it is forgotten here.
    Statement(database_, "delete from epoch where trial = ?1 and part = ?2 and "
                         "epoch > (select saved_epochs from trial where number = ?1 and part = ?2)")
        .bind(lease.trial).bind(lease.part).step();
    Statement(database_, "update trial set state = 'running', token = ?, owner = ?, boot = ?, held_until = ?, "
                         "epochs = saved_epochs, started = iif(started = '', ?, started) where number = ? and part = ?")
        .bind(lease.token).bind(owner).bind(boot_).bind(boot_seconds() + seconds).bind(time).bind(lease.trial).bind(lease.part).step();
    Statement(database_, "insert into attempt (trial, part, token, owner, started) values (?, ?, ?, ?, ?)")
        .bind(lease.trial).bind(lease.part).bind(lease.token).bind(owner).bind(time).step();
    transaction.commit();
    return lease;
  }

  void close_attempt(const Lease& lease, const std::string& outcome) {
    Statement(database_, "update attempt set ended = ?, outcome = ? where trial = ? and part = ? and token = ? and outcome = ''")
        .bind(utc_now()).bind(outcome).bind(lease.trial).bind(lease.part).bind(lease.token).step();
  }

  /// Takes a running trial to another state if the token is still the one of the last claim.
  template <class More>
  bool end(const Lease& lease, const std::string& state, double seconds, const More& more) {
    Transaction transaction(database_);
    const std::string time = state == "queued" ? "" : utc_now();
    Statement(database_, "update trial set state = ?, owner = '', held_until = null, seconds = seconds + ?, ended = ? "
                         "where number = ? and part = ? and token = ? and state = 'running'")
        .bind(state).bind(seconds).bind(time).bind(lease.trial).bind(lease.part).bind(lease.token).step();
    if (database_.changes() == 0) return false;
    close_attempt(lease, state == "queued" ? "released" : state);
    more();
    transaction.commit();
    return true;
  }

  Database database_;
  std::string boot_;
};

}  // namespace

std::unique_ptr<Store> open_sqlite(const std::filesystem::path& file) {
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  refuse_network_folder(folder);
  std::error_code error;
  const bool read_only = access(folder.c_str(), W_OK) != 0 && std::filesystem::exists(file, error);
  return std::make_unique<SqliteStore>(file.string(), read_only);
}

std::unique_ptr<Store> open_memory() { return std::make_unique<SqliteStore>(":memory:", false); }

}  // namespace espalier
