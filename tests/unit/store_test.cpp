#include "catch.h"
#include "espalier/data/files.h"
#include "espalier/error.h"
#include "espalier/store/database.h"
#include "espalier/store/store.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>

using namespace espalier;

namespace {

constexpr double kLong = 3600.0;
constexpr double kOver = -1.0;

int64_t add_one(Store& store, double x = 1.0) { return store.add({{"x", x}}, "why not", {{"number", x}}); }

}  // namespace

TEST_CASE("a trial goes from queued over running to complete and keeps everything told") {
  const auto store = open_memory();
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
  const auto store = open_memory();
  add_one(*store);
  REQUIRE(store->claim("a", kLong));
  CHECK_FALSE(store->claim("b", kLong).has_value());
}

TEST_CASE("an owner that comes back takes over what it left running") {
  const auto store = open_memory();
  add_one(*store);
  const Lease old = store->claim("a", kLong).value();
  const Lease fresh = store->claim("a", kLong).value();
  CHECK(fresh.token == old.token + 1);
  CHECK(store->trial(0)->attempts == 2);
}

TEST_CASE("writes with an old token change nothing and say so") {
  const auto store = open_memory();
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
  const auto store = open_memory();
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
  const auto store = open_memory();
  add_one(*store);
  REQUIRE(store->fail(store->claim("a", kLong).value(), "nan", "epoch 2", 1.0));
  CHECK(store->trial(0)->state == TrialState::failed);
  CHECK(store->trial(0)->cause == "nan");
  CHECK(store->trial(0)->message == "epoch 2");
  CHECK_FALSE(store->claim("a", kLong).has_value());
}

TEST_CASE("facts about the study are kept by name and replaced") {
  const auto store = open_memory();
  CHECK_FALSE(store->info("seed").has_value());
  store->set_info("seed", 1);
  store->set_info("seed", {{"a", nullptr}});
  CHECK(store->info("seed").value().dump() == R"({"a":null})");
}

TEST_CASE("what was acknowledged survives a kill at any instant") {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "study.db";
  open_sqlite(file);
  int told[2];
  REQUIRE(pipe(told) == 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto store = open_sqlite(file);
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
  const auto trials = open_sqlite(file)->trials();
  REQUIRE(std::ssize(trials) > last);
  for (int64_t number = 0; number <= last; ++number) {
    CHECK(trials[static_cast<size_t>(number)].state == TrialState::complete);
    CHECK(trials[static_cast<size_t>(number)].objective == static_cast<double>(number));
  }
}

TEST_CASE("two processes share the trials without running one twice") {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "study.db";
  constexpr int kTrials = 30;
  {
    const auto store = open_sqlite(file);
    for (int i = 0; i < kTrials; ++i) add_one(*store, i);
  }
  std::vector<pid_t> children;
  for (const std::string owner : {"a", "b"}) {
    children.push_back(fork());
    if (children.back() != 0) continue;
    const auto store = open_sqlite(file);
    while (const auto lease = store->claim(owner, kLong)) store->complete(*lease, {}, 1.0, 1.0);
    _exit(0);
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(status == 0);
  }
  for (const TrialRecord& trial : open_sqlite(file)->trials()) {
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

TEST_CASE("the parts of a trial are claimed by name, each with its own epochs and attempts") {
  const auto store = open_memory();
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

TEST_CASE("a store of format 1 is carried over") {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "study.db";
  {
    const Database old(file.string(), false);
    old.run("create table info (name text primary key, value text not null) strict;"
            "create table trial (number integer primary key, settings text not null, reason text not null, document text not null, "
            "state text not null default 'queued', token integer not null default 0, owner text not null default '', boot text not "
            "null default '', held_until real, cause text not null default '', message text not null default '', scores text not null "
            "default '{}', objective real, epochs real not null default 0, saved_epochs real not null default 0, seconds real not null "
            "default 0, checkpoint text not null default '', checkpoint_sha256 text not null default '', started text not null default "
            "'', ended text not null default '') strict;"
            "create table attempt (trial integer not null references trial (number), token integer not null, owner text not null, "
            "started text not null, ended text not null default '', outcome text not null default '', primary key (trial, token)) strict;"
            "create table epoch (trial integer not null references trial (number), epoch integer not null, token integer not null, "
            "metrics text not null, primary key (trial, epoch)) strict;"
            "create index trial_waiting on trial (number) where state in ('queued', 'running');"
            "insert into info values ('name', '\"old\"');"
            "insert into trial (number, settings, reason, document, state, objective, epochs) "
            "values (0, '{\"x\":1}', 'why', '{}', 'complete', 0.5, 2);"
            "insert into attempt values (0, 1, 'a', '', '', 'complete'); insert into epoch values (0, 1, 1, '{\"loss\":2.0}');"
            "pragma user_version = 1");
  }
  for (int time = 0; time < 2; ++time) {
    const auto store = open_sqlite(file);
    REQUIRE(store->trials().size() == 1);
    CHECK(store->trial(0)->objective == 0.5);
    CHECK(store->trial(0)->attempts == 1);
    CHECK(store->epochs(0).at(0).metrics.at("loss") == 2.0);
    CHECK(store->info("name") == Json("old"));
    CHECK(store->parts(0).empty());
  }
  CHECK(add_one(*open_sqlite(file)) == 1);
}

TEST_CASE("a store that is read only changes nothing and needs no file beside it") {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "a#b%.db";
  add_one(*open_sqlite(file));
  const Database database(file.string(), true);
  Statement count(database, "select count(*) from trial");
  REQUIRE(count.step());
  CHECK(count.integer(0) == 1);
  CHECK_THROWS_AS(database.run("delete from trial"), Error);
}
