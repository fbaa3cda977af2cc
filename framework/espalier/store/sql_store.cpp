#include "espalier/store/store.h"

#include "espalier/error.h"
#include "espalier/store/best.h"
#include "espalier/store/database.h"
#include "espalier/store/rows.h"
#include "espalier/store/schema.h"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>

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

/// The fact that every commit of a study is flushed to the disk.
constexpr const char* kFlushed = "flushed";

/// The one code path for all engines.
class SqlStore final : public Store {
 public:
  SqlStore(std::unique_ptr<Database> database, bool read_only) : database_(std::move(database)), db_(*database_) {
    if (check_format() == kStoreFormat) return;
    require(!read_only, "E3011", fmt::format("'{}' holds no study", db_.name()));
    Transaction transaction(db_);
    // Another process may have been faster.
    if (check_format() == 0) {
      db_.run(kStoreSchema);
      db_.set_format(kStoreFormat);
    }
    transaction.commit();
  }

  void set_info(const std::string& name, const Json& value) override {
    Statement(db_, "insert into info values (?, ?) on conflict (name) do update set value = excluded.value").bind(name).bind(value.dump()).step();
  }

  std::optional<Json> info(const std::string& name) const override {
    Statement row(db_, "select value from info where name = ?");
    if (!row.bind(name).step()) return std::nullopt;
    return Json::parse(row.text(0));
  }

  std::optional<int64_t> decide(const Decision& decision, const NewTrial* trial) override {
    Transaction transaction(db_);
    if (first_of("select coalesce(max(number) + 1, 0) from decision") != decision.number) return std::nullopt;
    const auto number = append(decision, trial);
    if (number) transaction.commit();
    return number;
  }

  int64_t add(const Settings& settings, const std::string& reason, const Json& document) override {
    Transaction transaction(db_);
    const NewTrial trial{.settings = settings, .reason = reason, .document = document};
    const Decision decision{.number = first_of("select coalesce(max(number) + 1, 0) from decision"),
                            .seen = first_of("select count(*) from decision where ended is not null")};
    const int64_t number = append(decision, &trial).value();
    transaction.commit();
    return number;
  }

  std::vector<Decision> decisions(int64_t number, int64_t ended) const override {
    std::vector<Decision> out;
    Statement row(db_, decision_columns() + "where number >= ? or ended >= ? order by number");
    row.bind(number).bind(ended);
    while (row.step()) out.push_back(read_decision(row));
    return out;
  }

  void add_part(int64_t trial, const std::string& part, const Json& document) override {
    Statement(db_, "insert into trial (number, part, part_order, settings, reason, document, decision) select number, ?, "
                   "(select count(*) from trial p where p.number = trial.number), settings, reason, ?, decision from trial "
                   "where number = ? and part = '' on conflict (number, part) do nothing")
        .bind(part).bind(document.dump()).bind(trial).step();
  }

  std::optional<Lease> claim(const std::string& owner, double seconds) override {
    Transaction transaction(db_);
    // In the words of the index, which holds few rows however many trials there are.
    Statement update = taking("part = '' and number = (select number from trial where state in ('queued', 'running') and part = '' and " +
                                  free_in("'queued'") + " order by decision limit 1)", owner, seconds);
    return take(update.bind(db_.clock()), owner, transaction);
  }

  std::optional<Lease> claim_part(int64_t trial, const std::string& part, const std::string& owner, double seconds) override {
    Transaction transaction(db_);
    // Who holds the trial holds its parts; one that is paused goes on with its trial.
    Statement update = taking(free_in("'queued', 'paused'") + " and number = ? and part = ?", owner, seconds);
    return take(update.bind(db_.clock()).bind(trial).bind(part), owner, transaction);
  }

  bool renew(const Lease& lease, double seconds) override {
    Statement(db_, fmt::format("update trial set held_until = {} + ? {}", db_.now(), kHeld))
        .bind(seconds).bind(lease.trial).bind(lease.part).bind(lease.token).step();
    return db_.changes() == 1;
  }

  void abandon(const std::string& owners) override {
    Statement(db_, "update trial set held_until = -1 where state = 'running' and substr(owner, 1, ?) = ?")
        .bind(static_cast<int64_t>(owners.size())).bind(owners).step();
  }

  bool record_epoch(const Lease& lease, const EpochRecord& epoch) override {
    Transaction transaction(db_);
    const auto epochs = static_cast<double>(epoch.epoch);
    Statement(db_, fmt::format("update trial set epochs = case when epochs < ? then ? else epochs end {}", kHeld))
        .bind(epochs).bind(epochs).bind(lease.trial).bind(lease.part).bind(lease.token).step();
    if (db_.changes() == 0) return false;
    Statement(db_, "insert into epoch values (?, ?, ?, ?, ?) on conflict (trial, part, epoch) do update set token = excluded.token, "
                   "metrics = excluded.metrics")
        .bind(lease.trial).bind(lease.part).bind(epoch.epoch).bind(lease.token).bind(to_column(epoch.metrics)).step();
    transaction.commit();
    return true;
  }

  bool record_checkpoint(const Lease& lease, const std::string& path, const std::string& sha256, double epochs) override {
    Statement(db_, fmt::format("update trial set checkpoint = ?, checkpoint_sha256 = ?, saved_epochs = ?, "
                               "epochs = case when epochs < ? then ? else epochs end {}", kHeld))
        .bind(path).bind(sha256).bind(epochs).bind(epochs).bind(epochs).bind(lease.trial).bind(lease.part).bind(lease.token).step();
    return db_.changes() == 1;
  }

  bool complete(const Lease& lease, const Metrics& scores, std::optional<double> objective, double seconds) override {
    return end(lease, TrialState::complete, {.scores = scores, .objective = objective, .seconds = seconds});
  }
  bool pause(const Lease& lease, const Metrics& scores, std::optional<double> objective, double seconds) override {
    return end(lease, TrialState::paused, {.scores = scores, .objective = objective, .seconds = seconds});
  }
  bool fail(const Lease& lease, const std::string& cause, const std::string& message, double seconds) override {
    return end(lease, TrialState::failed, {.seconds = seconds, .cause = cause, .message = message});
  }
  bool release(const Lease& lease, double seconds) override { return end(lease, TrialState::queued, {.seconds = seconds}); }

  std::vector<TrialRecord> trials(int64_t from) const override {
    std::vector<TrialRecord> out;
    Statement row(db_, trial_columns() + "where part = '' and number >= ? order by number");
    for (row.bind(from); row.step();) out.push_back(read_trial(row));
    const Json objective = info("objective").value_or(Json());
    for (TrialRecord& trial : out) set_tie_breaks(trial, objective);
    return out;
  }

  std::vector<TrialRecord> parts(int64_t number) const override {
    std::vector<TrialRecord> out;
    Statement row(db_, trial_columns() + "where number = ? and part <> '' order by part_order");
    for (row.bind(number); row.step();) out.push_back(read_trial(row));
    return out;
  }

  std::optional<TrialRecord> trial(int64_t number, const std::string& part) const override {
    Statement row(db_, trial_columns() + "where number = ? and part = ?");
    if (!row.bind(number).bind(part).step()) return std::nullopt;
    TrialRecord out = read_trial(row);
    if (part.empty()) set_tie_breaks(out, info("objective").value_or(Json()));
    return out;
  }

  Json document(int64_t number, const std::string& part) const override {
    Statement row(db_, "select document from trial where number = ? and part = ?");
    require(row.bind(number).bind(part).step(), "E3015", fmt::format("the store has no trial {}{}", number, part.empty() ? "" : ", " + part));
    return Json::parse(row.text(0));
  }

  std::vector<AttemptRecord> attempts(std::optional<int64_t> trial) const override {
    Statement row(db_, std::string("select trial, part, token, owner, started, ended, outcome from attempt ") +
                           (trial ? "where trial = ? " : "") + "order by started, trial, part, token");
    if (trial) row.bind(*trial);
    std::vector<AttemptRecord> out;
    while (row.step())
      out.push_back({row.integer(0), row.text(1), row.integer(2), row.text(3), row.text(4), row.text(5), row.text(6)});
    return out;
  }

  std::vector<EpochRecord> epochs(int64_t number, const std::string& part) const override {
    std::vector<EpochRecord> out;
    Statement row(db_, "select epoch, metrics from epoch where trial = ? and part = ? order by epoch");
    row.bind(number).bind(part);
    while (row.step()) out.push_back({.epoch = row.integer(0), .metrics = read_metrics(row.text(1))});
    return out;
  }

 private:
  /// What an end leaves behind.
  struct Ending {
    Metrics scores = {};
    std::optional<double> objective = {};
    double seconds = 0.0;
    std::string cause = {};
    std::string message = {};
  };

  /// The row of a lease as long as its token is the one of the last claim: the fence.
  static constexpr const char* kHeld = "where number = ? and part = ? and token = ? and state = 'running'";

  /// Rows that can be claimed: in one of these states, or abandoned: after a lease or on another boot.
  std::string free_in(const std::string& states) const {
    return fmt::format("(state in ({}) or (state = 'running' and (held_until < {} or clock <> ?)))", states, db_.now());
  }

  int64_t first_of(const std::string& sql) const {
    Statement row(db_, sql);
    row.step();
    return row.integer(0);
  }

  int64_t check_format() const {
    const int64_t found = db_.format();
    if (found > kStoreFormat)
      espalier::fail("E3011", fmt::format("'{}' has format {}, this espalier knows {}", db_.name(), found, kStoreFormat), "update espalier");
    if (found != 0 && found < kStoreFormat)
      espalier::fail("E3011", fmt::format("'{}' has format {} of an earlier espalier, this one knows {}", db_.name(), found, kStoreFormat),
                     "run the pipeline into another folder");
    return found;
  }

  /// Writes a decision and what it does to its trial, within the caller's transaction.
  std::optional<int64_t> append(const Decision& decision, const NewTrial* trial) {
    const int64_t number = trial != nullptr ? first_of("select coalesce(max(number) + 1, 0) from trial") : decision.trial;
    if (trial != nullptr) {
      Statement(db_,
                "insert into trial (number, settings, reason, document, decision, until, checkpoint, saved_epochs, epochs) values (?, ?, ?, ?, ?, ?, "
                "?, ?, ?)")
          .bind(number)
          .bind(Json(trial->settings).dump())
          .bind(trial->reason)
          .bind(trial->document.dump())
          .bind(decision.number)
          .bind(decision.until)
          .bind(trial->checkpoint)
          .bind(trial->epochs)
          .bind(trial->epochs)
          .step();
    } else {
      Statement(db_, "update trial set state = 'queued', decision = ?, until = ?, ended = '' where number = ? and part = '' and state = 'paused'")
          .bind(decision.number).bind(decision.until).bind(number).step();
      if (db_.changes() != 1) return std::nullopt;
    }
    Statement(db_, "insert into decision (number, trial, until, reason, begun, seen) values (?, ?, ?, ?, ?, ?)")
        .bind(decision.number).bind(number).bind(decision.until).bind(decision.reason).bind(decision.begun).bind(decision.seen).step();
    return number;
  }

  /// Makes a row that `which` names a lease of the owner's; what `which` asks for is still to be bound.
  Statement taking(const std::string& which, const std::string& owner, double seconds) const {
    Statement update(
        db_, fmt::format("update trial set state = 'running', token = token + 1, owner = ?, clock = ?, held_until = {} + ?, epochs = saved_epochs, "
                         "started = case when started = '' then ? else started end where {} returning number, token, part",
                         db_.now(), which));
    update.bind(owner).bind(db_.clock()).bind(seconds).bind(utc_now());
    return update;
  }

  /// Carries out such an update, within the caller's transaction. Nothing: no row is free.
  std::optional<Lease> take(Statement& update, const std::string& owner, Transaction& transaction) {
    // First of all, as it is what stops the one before: a checkpoint that he records until then counts.
    if (!update.step()) return std::nullopt;
    const Lease lease{.trial = update.integer(0), .token = update.integer(1), .part = update.text(2)};
    update.end();
    if (lease.token > 1) {
      close_attempt({lease.trial, lease.token - 1, lease.part}, "lost");
      // What was learnt after the last checkpoint is learnt again, so it is forgotten here.
      Statement(db_, "delete from epoch where trial = ? and part = ? and epoch > (select saved_epochs from trial where number = ? and part = ?)")
          .bind(lease.trial).bind(lease.part).bind(lease.trial).bind(lease.part).step();
    }
    Statement(db_, "insert into attempt (trial, part, token, owner, started) values (?, ?, ?, ?, ?)")
        .bind(lease.trial).bind(lease.part).bind(lease.token).bind(owner).bind(utc_now()).step();
    transaction.commit();
    return lease;
  }

  void close_attempt(const Lease& lease, const std::string& outcome) {
    Statement(db_, "update attempt set ended = ?, outcome = ? where trial = ? and part = ? and token = ? and outcome = ''")
        .bind(utc_now()).bind(outcome).bind(lease.trial).bind(lease.part).bind(lease.token).step();
  }

  /// Takes a running trial to another state if the token is still the one of the last claim.
  bool end(const Lease& lease, TrialState state, const Ending& ending) {
    Transaction transaction(db_);
    const bool ends = state != TrialState::queued;
    // A failure keeps the scores that were there, a score takes back what failed before, and a trial given back keeps both.
    std::string more;
    if (state == TrialState::failed) more = ", cause = ?, message = ?";
    else if (ends) more = ", scores = ?, objective = ?, cause = '', message = ''";
    Statement update(db_,
                     fmt::format("update trial set state = ?, owner = '', held_until = null, seconds = seconds + ?, ended = ?{} {}", more, kHeld));
    update.bind(to_string(state)).bind(ending.seconds).bind(ends ? utc_now() : "");
    if (state == TrialState::failed) update.bind(ending.cause).bind(ending.message);
    else if (ends) update.bind(to_column(ending.scores)).bind(ending.objective);
    update.bind(lease.trial).bind(lease.part).bind(lease.token).step();
    if (db_.changes() == 0) return false;
    close_attempt(lease, ends ? to_string(state) : "released");
    if (ends && lease.part.empty()) end_decision(lease.trial, state, ending);
    transaction.commit();
    return true;
  }

  /// Closes the decision that a trial was carried out under.
  void end_decision(int64_t trial, TrialState state, const Ending& ending) {
    const auto macs = ending.scores.find("macs");
    const std::string epochs = fmt::format("(select {} from trial where number = ? and part = '')", kTrialEpochs);
    Statement(db_,
              fmt::format("update decision set ended = (select coalesce(max(ended) + 1, 0) from decision), state = ?, epochs = {0}, cost = ? * {0}, "
                          "objective = ?, scores = ? where number = (select decision from trial where number = ? and part = '') and ended is null",
                          epochs))
        .bind(to_string(state))
        .bind(trial)
        .bind(macs == ending.scores.end() ? 0.0 : macs->second)
        .bind(trial)
        .bind(ending.objective)
        .bind(to_column(ending.scores))
        .bind(trial)
        .step();
  }

  std::unique_ptr<Database> database_;
  const Database& db_;
};

}  // namespace

std::unique_ptr<Store> open_sqlite(const std::filesystem::path& file, bool is_flushed) {
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  refuse_network_folder(folder);
  std::error_code error;
  const bool read_only = access(folder.c_str(), W_OK) != 0 && std::filesystem::exists(file, error);
  std::unique_ptr<Database> database = open_sqlite_database(file.string(), read_only);
  const Database& opened = *database;
  auto store = std::make_unique<SqlStore>(std::move(database), read_only);
  if (is_flushed && !read_only) store->set_info(kFlushed, true);
  // Whoever works on it is as careful as who made it.
  if (store->info(kFlushed).has_value()) opened.run("pragma synchronous = full");
  return store;
}

std::unique_ptr<Store> open_memory() { return std::make_unique<SqlStore>(open_sqlite_database(":memory:", false), false); }

std::unique_ptr<Store> open_postgres(const std::string& url, const std::string& study) {
  return std::make_unique<SqlStore>(open_postgres_database(url, study), false);
}

}  // namespace espalier
