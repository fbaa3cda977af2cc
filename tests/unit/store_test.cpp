#include "catch.h"
#include "espalier/data/files.h"
#include "espalier/error.h"
#include "espalier/store/database.h"
#include "espalier/store/store.h"

#include <fmt/format.h>

#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace espalier;

namespace {

constexpr double kLong = 3600.0;
constexpr double kOver = -1.0;

/// A study of its own for one test: a file, or where ESPALIER_TEST_STORE says so a schema of a PostgreSQL database.
class FreshStudy {
 public:
  std::unique_ptr<Store> open() const {
    const char* url = std::getenv("ESPALIER_TEST_STORE");
    if (url == nullptr) return open_sqlite(folder_.path() / "study.db");
    return open_postgres(url, "test" + folder_.path().filename().string());
  }

 private:
  TemporaryFolder folder_;
};

int64_t add_one(Store& store, double x = 1.0) { return store.add({{"x", x}}, "why not", {{"number", x}}); }

}  // namespace

TEST_CASE("a trial goes from queued over running to complete and keeps everything told") {
  const FreshStudy study;
  const auto store = study.open();
  REQUIRE(add_one(*store) == 0);
  REQUIRE(add_one(*store, 2.0) == 1);
  REQUIRE(store->trial(0)->state == TrialState::queued);
  const Lease lease = store->claim("a", kLong).value();
  CHECK(lease.trial == 0);
  CHECK(store->trial(0)->state == TrialState::running);
  CHECK(store->record_epoch(lease, {1, {{"val_loss", 0.5}, {"bad", NAN}}}));
  CHECK(store->record_checkpoint(lease, "trials/0000/a.ckpt", "ab", 1));
  CHECK(store->complete(lease, {{"val_loss", 0.5}}, 0.5, 12.0));
  const TrialRecord trial = store->trial(0).value();
  CHECK(trial.state == TrialState::complete);
  CHECK((trial.settings == Settings{{"x", 1.0}}));
  CHECK(trial.reason == "why not");
  CHECK(trial.objective == 0.5);
  CHECK(trial.seconds == 12.0);
  CHECK(trial.epochs == 1.0);
  CHECK(trial.checkpoint == "trials/0000/a.ckpt");
  CHECK(trial.attempts == 1);
  CHECK_FALSE(trial.started.empty());
  CHECK_FALSE(trial.ended.empty());
  CHECK(store->epochs(0).at(0).metrics == Metrics{{"val_loss", 0.5}});
  CHECK(store->document(1).dump() == R"({"number":2.0})");
  CHECK_THROWS_AS(store->document(2), Error);
  CHECK_FALSE(store->trial(2).has_value());
}

TEST_CASE("no one else gets a trial as long as its lease holds") {
  const FreshStudy study;
  const auto store = study.open();
  add_one(*store);
  REQUIRE(store->claim("a", kLong));
  CHECK_FALSE(store->claim("b", kLong).has_value());
}

TEST_CASE("what owners held that are known to be gone is free at once") {
  const FreshStudy study;
  const auto store = study.open();
  add_one(*store);
  const Lease old = store->claim("run/a", kLong).value();
  store->abandon("walk/");
  CHECK_FALSE(store->claim("run/b", kLong).has_value());
  store->abandon("run/");
  const Lease fresh = store->claim("run/b", kLong).value();
  CHECK(fresh.token == old.token + 1);
  CHECK(store->trial(0)->attempts == 2);
}

TEST_CASE("writes with an old token change nothing and say so") {
  const FreshStudy study;
  const auto store = study.open();
  add_one(*store);
  const Lease old = store->claim("a", kOver).value();
  const Lease fresh = store->claim("b", kLong).value();
  REQUIRE(fresh.trial == old.trial);
  CHECK_FALSE(store->renew(old, kLong));
  CHECK_FALSE(store->record_epoch(old, {7, {{"val_loss", 9.0}}}));
  CHECK_FALSE(store->record_checkpoint(old, "old", "", 7));
  CHECK_FALSE(store->complete(old, {{"val_loss", 9.0}}, 9.0, 1.0));
  CHECK_FALSE(store->fail(old, "crash", "", 1.0));
  CHECK_FALSE(store->release(old, 1.0));
  const TrialRecord trial = store->trial(0).value();
  CHECK(trial.state == TrialState::running);
  CHECK(trial.checkpoint.empty());
  CHECK(trial.epochs == 0.0);
  CHECK(trial.seconds == 0.0);
  CHECK(store->epochs(0).empty());
  CHECK(store->complete(fresh, {{"val_loss", 1.0}}, 1.0, 1.0));
  CHECK_FALSE(store->complete(fresh, {{"val_loss", 2.0}}, 2.0, 1.0));
  CHECK(store->trial(0)->objective == 1.0);
}

TEST_CASE("a released trial keeps its checkpoint and forgets what came after it") {
  const FreshStudy study;
  const auto store = study.open();
  add_one(*store);
  const Lease first = store->claim("a", kLong).value();
  store->record_epoch(first, {1, {{"val_loss", 1.0}}});
  store->record_checkpoint(first, "one", "", 1);
  store->record_epoch(first, {2, {{"val_loss", 0.5}}});
  CHECK(store->trial(0)->epochs == 2.0);
  REQUIRE(store->release(first, 3.0));
  CHECK(store->trial(0)->state == TrialState::queued);
  const Lease second = store->claim("a", kLong).value();
  CHECK(store->trial(0)->epochs == 1.0);
  CHECK(store->trial(0)->checkpoint == "one");
  CHECK(store->epochs(0).size() == 1);
  store->complete(second, {}, std::nullopt, 4.0);
  CHECK(store->trial(0)->seconds == 7.0);
}

TEST_CASE("a failed trial is final and says why") {
  const FreshStudy study;
  const auto store = study.open();
  add_one(*store);
  REQUIRE(store->fail(store->claim("a", kLong).value(), "nan", "epoch 2", 1.0));
  CHECK(store->trial(0)->state == TrialState::failed);
  CHECK(store->trial(0)->cause == "nan");
  CHECK(store->trial(0)->message == "epoch 2");
  CHECK_FALSE(store->claim("a", kLong).has_value());
}

TEST_CASE("facts about the study are kept by name and replaced") {
  const FreshStudy study;
  const auto store = study.open();
  CHECK_FALSE(store->info("seed").has_value());
  store->set_info("seed", 1);
  store->set_info("seed", {{"a", nullptr}});
  CHECK(store->info("seed").value().dump() == R"({"a":null})");
}

TEST_CASE("trials come with what the other objectives say") {
  const FreshStudy study;
  const auto store = study.open();
  add_one(*store);
  store->complete(store->claim("a", kLong).value(), {{"parameters", 7.0}}, 0.5, 1.0);
  CHECK(store->trial(0)->tie_breaks.empty());
  const Json parameters = {{"metric", "parameters"}, {"maximize", false}};
  store->set_info("objective", {{"metric", "val_accuracy"}, {"maximize", true}, {"others", {parameters}}});
  CHECK(store->trial(0)->tie_breaks == std::vector{7.0});
  CHECK(store->trials().front().tie_breaks == std::vector{7.0});
}

TEST_CASE("what was acknowledged survives a kill at any instant") {
  const FreshStudy study;
  study.open();
  int told[2];
  REQUIRE(pipe(told) == 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto store = study.open();
    for (int64_t number = 0;; ++number) {
      add_one(*store, static_cast<double>(number));
      const Lease lease = store->claim("a", kLong).value();
      store->record_epoch(lease, {1, {{"val_loss", 1.0}}});
      store->complete(lease, {}, static_cast<double>(number), 1.0);
      if (write(told[1], &number, sizeof number) != sizeof number) _exit(1);
    }
  }
  close(told[1]);
  int64_t last = -1;
  for (int i = 0; i < 20; ++i) REQUIRE(read(told[0], &last, sizeof last) == sizeof last);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  for (int64_t more = 0; read(told[0], &more, sizeof more) == sizeof more;) last = more;
  close(told[0]);
  const auto trials = study.open()->trials();
  REQUIRE(std::ssize(trials) > last);
  for (int64_t number = 0; number <= last; ++number) {
    CHECK(trials[static_cast<size_t>(number)].state == TrialState::complete);
    CHECK(trials[static_cast<size_t>(number)].objective == static_cast<double>(number));
  }
}

TEST_CASE("two processes share the trials without running one twice") {
  const FreshStudy study;
  constexpr int kTrials = 30;
  {
    const auto store = study.open();
    for (int i = 0; i < kTrials; ++i) add_one(*store, i);
  }
  std::vector<pid_t> children;
  for (const std::string owner : {"a", "b"}) {
    children.push_back(fork());
    if (children.back() != 0) continue;
    const auto store = study.open();
    while (const auto lease = store->claim(owner, kLong)) store->complete(*lease, {}, 1.0, 1.0);
    _exit(0);
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(status == 0);
  }
  for (const TrialRecord& trial : study.open()->trials()) {
    CHECK(trial.state == TrialState::complete);
    CHECK(trial.attempts == 1);
    CHECK(trial.seconds == 1.0);
  }
}

TEST_CASE("a file that is no store is refused with a store's code") {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "study.db") << std::string(4096, 'x');
  try {
    open_sqlite(folder.path() / "study.db");
    FAIL("opened");
  } catch (const Error& error) {
    CHECK(error.problems().front().code == "E3014");
    CHECK(error.exit_code() == 5);
  }
  CHECK_THROWS_AS(open_sqlite(folder.path() / "absent" / "study.db"), Error);
}

TEST_CASE("a trial pauses where it was to and goes on when it is decided again") {
  const FreshStudy study;
  const auto store = study.open();
  const NewTrial trial{.settings = {{"x", 1}}, .reason = "why", .document = {}};
  REQUIRE(store->decide({.number = 0, .until = 3.0, .reason = "to the first rung"}, &trial) == 0);
  CHECK_FALSE(store->decide({.number = 0, .until = 3.0}, &trial).has_value());  // made already
  CHECK_FALSE(store->decide({.number = 2}, &trial).has_value());                // would leave a gap
  CHECK_FALSE(store->decide({.number = 1, .trial = 0}, nullptr).has_value());   // not paused
  const Lease first = store->claim("a", kLong).value();
  CHECK(store->trial(0)->until == 3.0);
  for (int64_t epoch = 1; epoch <= 3; ++epoch) CHECK(store->record_epoch(first, {epoch, {{"val_loss", 1.0}}}));
  CHECK(store->record_checkpoint(first, "3.ckpt", "", 3));
  CHECK(store->pause(first, {{"val_loss", 1.0}, {"macs", 10.0}}, 1.0, 2.0));
  CHECK(store->trial(0)->state == TrialState::paused);
  CHECK_FALSE(store->claim("a", kLong).has_value());
  CHECK_FALSE(store->record_epoch(first, {4, {}}));
  REQUIRE(store->decide({.number = 1, .trial = 0, .until = 0.0, .reason = "1st of 1", .seen = 1}, nullptr) == 0);
  const Lease second = store->claim("b", kLong).value();
  CHECK(second.token == first.token + 1);
  CHECK(store->epochs(0).size() == 3);  // kept over the pause
  CHECK(store->record_epoch(second, {4, {{"val_loss", 0.5}}}));
  CHECK(store->complete(second, {{"val_loss", 0.5}, {"macs", 10.0}}, 0.5, 2.0));
  const auto decisions = store->decisions();
  REQUIRE(decisions.size() == 2);
  CHECK(decisions[0].state == TrialState::paused);
  CHECK(decisions[0].ended == 0);
  CHECK(decisions[0].epochs == 3.0);
  CHECK(decisions[0].cost == 30.0);
  CHECK(decisions[0].objective == 1.0);
  CHECK(decisions[0].scores == Metrics{{"val_loss", 1.0}, {"macs", 10.0}});
  CHECK(decisions[1].scores.at("val_loss") == 0.5);
  CHECK(decisions[1].state == TrialState::complete);
  CHECK(decisions[1].ended == 1);
  CHECK(decisions[1].seen == 1);
  CHECK(decisions[1].reason == "1st of 1");
  CHECK(store->trial(0)->seconds == 4.0);
  CHECK(store->decisions(2, 1).size() == 1);
  CHECK(store->decisions(2, 2).empty());
}

TEST_CASE("the parts of a trial are claimed by name, each with its own epochs and attempts") {
  const FreshStudy study;
  const auto store = study.open();
  add_one(*store);
  add_one(*store, 2.0);
  const Lease trial = store->claim("a", kLong).value();
  for (const char* part : {"fold 1", "fold 2", "fold 1"}) store->add_part(0, part, {{"part", part}});
  REQUIRE(store->parts(0).size() == 2);
  CHECK(store->parts(0)[1].part == "fold 2");
  CHECK(store->trials().size() == 2);
  CHECK(store->document(0, "fold 2").dump() == R"({"part":"fold 2"})");
  const Lease part = store->claim_part(0, "fold 2", "a", kLong).value();
  CHECK(store->record_epoch(part, {1, {{"loss", 1.0}}}));
  CHECK(store->record_checkpoint(part, "p.ckpt", "", 1));
  CHECK(store->record_epoch(part, {2, {{"loss", 0.5}}}));
  CHECK(store->epochs(0).empty());
  CHECK(store->epochs(0, "fold 2").size() == 2);
  CHECK(store->release(part, 3.0));
  const Lease again = store->claim_part(0, "fold 2", "a", kLong).value();
  CHECK(store->epochs(0, "fold 2").size() == 1);
  CHECK_FALSE(store->record_epoch(part, {2, {}}));
  CHECK(store->complete(again, {{"loss", 0.5}}, 0.5, 1.0));
  CHECK_FALSE(store->claim_part(0, "fold 2", "a", kLong).has_value());
  CHECK(store->trial(0, "fold 2")->attempts == 2);
  CHECK(store->trial(0, "fold 2")->seconds == 4.0);
  CHECK(store->trial(0)->attempts == 1);
  CHECK(store->trial(0)->epochs == 1.0);  // the sum of its parts
  CHECK(store->claim("b", kLong)->trial == 1);
  CHECK(store->complete(trial, {}, 0.5, 4.0));
}

TEST_CASE("a store of another format is refused and left as it is") {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "study.db";
  for (const int format : {2, 99}) {
    std::filesystem::remove(file);
    open_sqlite_database(file.string(), false)->run(fmt::format("create table info (name text); pragma user_version = {}", format));
    CHECK_THROWS_WITH(open_sqlite(file), Catch::Contains(fmt::format("has format {}", format)));
    CHECK(open_sqlite_database(file.string(), true)->format() == format);
  }
}

TEST_CASE("a store that is read only changes nothing and needs no file beside it") {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "a#b%.db";
  add_one(*open_sqlite(file));
  const auto database = open_sqlite_database(file.string(), true);
  Statement count(*database, "select count(*) from trial");
  REQUIRE(count.step());
  CHECK(count.integer(0) == 1);
  CHECK_THROWS_AS(database->run("delete from trial"), Error);
}

TEST_CASE("a study that was begun as flushed stays so, whoever opens it") {
  const TemporaryFolder folder;
  create_store(folder.path(), "sqlite-flushed");
  CHECK(open_store(folder.path())->info("flushed") == true);
  CHECK(add_one(*create_store(folder.path(), "")) == 0);
  CHECK(create_store(folder.path(), "sqlite-flushed")->trials().size() == 1);
}

TEST_CASE("a connection that the server has ended is made again, but never within a transaction") {
  const char* url = std::getenv("ESPALIER_TEST_STORE");
  if (url == nullptr) return;  // the same suite runs beside a server
  const auto database = open_postgres_database(url, "lostconnection");
  const auto other = open_postgres_database(url, "other");
  const auto end_it = [&] {
    Statement pid(*database, "select pg_backend_pid() where 1 = ?");
    REQUIRE(pid.bind(int64_t{1}).step());
    Statement(*other, "select pg_terminate_backend(?::int, 5000)").bind(pid.integer(0)).step();
  };
  end_it();
  Statement alone(*database, "select ?::bigint + 1");
  REQUIRE(alone.bind(int64_t{1}).step());
  CHECK(alone.integer(0) == 2);
  const Transaction transaction(*database);
  end_it();
  CHECK_THROWS_WITH(database->run("select 1"), Catch::Contains("is lost"));
}
