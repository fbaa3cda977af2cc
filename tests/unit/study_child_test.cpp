#include "catch.h"
#include "espalier/error.h"
#include "espalier/study/child.h"
#include "study_folder.h"

#include <sys/wait.h>

#include <atomic>
#include <vector>

using namespace espalier;
using namespace espalier::testing;

namespace {

Json job(const std::string& behaviour, const TemporaryFolder& folder) {
  return {{"format", 1}, {"do", "train"}, {"trial", {{"settings", {{"behaviour", behaviour}}}}},
          {"attempt", {{"token", 1}, {"from", 0}, {"until", nullptr}, {"read", ""}, {"write", folder.path().string()}}}};
}

ChildOptions child(const TemporaryFolder& folder) {
  return {.program = fake_trainer(), .log = folder.path() / "log.txt", .silence_seconds = 60, .grace_seconds = 0.3};
}

ChildEnd run(const std::string& behaviour) {
  const TemporaryFolder folder;
  return run_child(child(folder), job(behaviour, folder), {});
}

}  // namespace

TEST_CASE("a trainer that says it is done has succeeded") {
  const TemporaryFolder folder;
  std::vector<Json> messages;
  const ChildEnd end = run_child(child(folder), job("ok", folder), [&](const Json& message) { messages.push_back(message); });
  CHECK(end.cause.empty());
  CHECK(end.message.empty());
  CHECK(end.done.contains("val_accuracy"));
  CHECK(messages.front().contains("hello"));
  CHECK(messages.back().contains("done"));
  CHECK(messages.size() == 8);
}

TEST_CASE("every way of ending is told apart") {
  const auto check = [](const std::string& behaviour, const std::string& cause, const std::string& message) {
    INFO(behaviour);
    const ChildEnd end = run(behaviour);
    CHECK(end.cause == cause);
    CHECK(end.message.find(message) != std::string::npos);
  };
  check("abort", "crash", "crashed with SIGABRT");
  check("segv", "crash", "crashed with SIGSEGV");
  check("killed", "crash", "killed (maybe out of memory)");
  check("early", "crash", "ended early with exit code 4: bye");
  check("throws_memory", "memory", "bad_alloc");
  check("memory_exit", "memory", "out of memory");
  check("nan", "nan", "epoch 2, step 31: lower the learning rate");
  check("unknown_cause", "crash", "");
}

TEST_CASE("limits end a trainer that works on, hangs or is frozen") {
  const TemporaryFolder folder;
  ChildOptions options = child(folder);
  options.limit_seconds = 0.3;
  const ChildEnd slow = run_child(options, job("chatty", folder), {});
  CHECK(slow.cause == "timeout");
  CHECK(slow.message == "ran longer than its limit of 0.3 s");
  options.limit_seconds = 0;
  options.silence_seconds = 0.3;
  for (const std::string behaviour : {"silent", "frozen"}) {
    const ChildEnd end = run_child(options, job(behaviour, folder), {});
    CHECK(end.cause == "timeout");
    CHECK(end.message == "hung: said nothing for 0.3 s");
  }
  options.silence_seconds = 60;
  options.limit_bytes = 64 << 20;
  CHECK(run_child(options, job("fat", folder), {}).cause == "memory");
}

TEST_CASE("one interrupt asks, two kill") {
  const TemporaryFolder folder;
  std::atomic<int> interrupts = 1;
  ChildOptions options = child(folder);
  options.interrupts = [&] { return interrupts.load(); };
  const ChildEnd asked = run_child(options, job("stoppable", folder), {});
  CHECK(asked.cause == "interrupted");
  CHECK(asked.message == "stopped after a step");
  interrupts = 2;
  CHECK(run_child(options, job("silent", folder), {}).cause == "interrupted");
}

TEST_CASE("no process of a trainer outlives it, and no descriptor is left open") {
  const auto open_files = [] { return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}); };
  const auto before = open_files();
  const TemporaryFolder folder;
  CHECK(run_child(child(folder), job("grandchild", folder), {}).cause.empty());
  CHECK_THROWS_AS(run_child(child(folder), job("ok", folder), [](const Json&) { throw std::runtime_error("stop"); }), std::runtime_error);
  CHECK_THROWS_AS(run_child(child(folder), job("nonsense", folder), {}), Error);
  CHECK(open_files() == before);
  CHECK(waitpid(-1, nullptr, WNOHANG) == -1);
  ChildOptions absent = child(folder);
  absent.program = "/nowhere/trainer";
  CHECK_THROWS_AS(run_child(absent, job("ok", folder), {}), Error);
}
