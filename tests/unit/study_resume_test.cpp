#include "catch.h"
#include "study_fakes.h"

#include <sys/wait.h>

#include <csignal>

using namespace espalier;
using namespace espalier::testing;

TEST_CASE("an interrupted study has the same trials in the end as one that was not") {
  const TemporaryFolder folder;
  const Pipeline pipeline = pipeline_with(5, {"ask_once", "ok"});
  // Trials that wait for an order at their first attempt are ordered to stop as soon as they have had one epoch.
  int rounds = 0;
  StudyResult result{.end = StudyEnd::interrupted};
  while (result.end == StudyEnd::interrupted && rounds < 50) {
    Watcher watcher;
    watcher.interrupt_at_epoch = 0;
    result = run(pipeline, folder.path() / "broken", watcher);
    ++rounds;
  }
  CHECK(rounds > 3);
  const Json broken = outcome(folder.path() / "broken");
  REQUIRE(broken.size() == 5);
  for (const Json& trial : broken) {
    CHECK(trial[3].get<std::string>() == "complete");
    CHECK(trial[6].size() == 3);
  }
  const TemporaryFolder second;
  Watcher watcher;
  const Pipeline same = pipeline_with(5, {"ok", "ok2"});
  run(same, second.path() / "whole", watcher);
  Watcher stopper;
  stopper.interrupt_at_epoch = 4;
  CHECK(run(same, second.path() / "cut", stopper).end == StudyEnd::interrupted);
  run(same, second.path() / "cut", watcher);
  CHECK(outcome(second.path() / "whole").dump() == outcome(second.path() / "cut").dump());
}

TEST_CASE("a study that is killed goes on as if it had not been") {
  const TemporaryFolder folder;
  const Pipeline pipeline = pipeline_with(6);
  Watcher watcher;
  run(pipeline, folder.path() / "whole", watcher);
  const pid_t process = fork();
  if (process == 0) {
    class Killer : public Watcher {
      void on_epoch(const TrialRecord& trial, const EpochRecord& epoch) override {
        if (trial.number == 2 && epoch.epoch == 2) raise(SIGKILL);
      }
    } killer;
    run(pipeline, folder.path() / "cut", killer);
    _exit(0);
  }
  int status = 0;
  waitpid(process, &status, 0);
  REQUIRE(WIFSIGNALED(status));
  const StudyResult result = run(pipeline, folder.path() / "cut", watcher);
  CHECK(result.complete == 6);
  CHECK(open_sqlite(folder.path() / "cut/study.db")->trial(2)->attempts == 2);
  CHECK(outcome(folder.path() / "whole").dump() == outcome(folder.path() / "cut").dump());
}
