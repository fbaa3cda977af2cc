// Workers that share a study are killed, frozen and slowed at random, with clocks that go wrong; afterwards the store is
// judged. Usage: store_chaos [--seeds FIRST-LAST] [--trials N] [--expect-violations]. In ESPALIER_TEST_STORE: a PostgreSQL server.
#include "run.h"

#include "espalier/data/files.h"
#include "espalier/error.h"

#include <fmt/format.h>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <new>
#include <random>
#include <thread>

using namespace espalier;
using namespace espalier::chaos;

namespace {

using Clock = std::chrono::steady_clock;

struct Faults {
  int64_t kills = 0, freezes = 0, slowings = 0, skews = 0;
};

/// Runs the workers of one study and does them harm.
class Supervisor {
 public:
  Supervisor(const Study& study, Shared& shared) : study_(study), shared_(shared), random_(study.seed) {}

  /// False if the study did not end in a time that is long enough for anything.
  bool run() {
    for (size_t i = 0; i < workers_.size(); ++i) start(i);
    const auto last = Clock::now() + std::chrono::seconds(300);
    auto next_fault = Clock::now();
    while (tend()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      if (Clock::now() > last) return end_all(), false;
      // On a slow machine harm waits for work, or nothing would ever be done.
      if (Clock::now() < next_fault || shared_.claims < harmed_ + 2) continue;
      harmed_ = shared_.claims;
      harm(workers_[pick(workers_.size())]);
      next_fault = Clock::now() + std::chrono::milliseconds(30 + pick(150));
    }
    return true;
  }

  Faults faults;
  std::vector<std::string> errors;

 private:
  struct Worker {
    size_t number = 0;
    pid_t process = -1;         ///< -1: done
    bool is_frozen = false;
    Clock::time_point thaws = {};
  };

  size_t pick(size_t count) { return std::uniform_int_distribution<size_t>(0, count - 1)(random_); }
  double between(double least, double most) { return std::uniform_real_distribution<double>(least, most)(random_); }

  void start(size_t number) {
    const std::string owner = fmt::format("{}/{}", number, started_++);
    // Half of the runs have boot clocks that disagree, as containers with a clock of their own would.
    const double skew = study_.seed % 2 == 1 ? between(-2.0 * kLease, 2.0 * kLease) : 0.0;
    if (skew != 0.0) ++faults.skews;
    const pid_t process = fork();
    if (process == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);  // nobody is left behind, also not frozen
      skew_clocks(skew);
      try {
        work(study_, number, owner, shared_);
      } catch (const std::exception& error) {
        fmt::print(stderr, "{}\n", error.what());
        _exit(3);
      }
      _exit(0);
    }
    require(process > 0, "E0001", "cannot fork");
    workers_[number] = {.number = number, .process = process};
  }

  /// Thaws, buries and replaces workers; false once all are done.
  bool tend() {
    bool is_anyone_left = false;
    for (Worker& worker : workers_) {
      if (worker.process < 0) continue;
      if (worker.is_frozen && Clock::now() >= worker.thaws) {
        worker.is_frozen = false;
        kill(worker.process, SIGCONT);
      }
      is_anyone_left = true;
      int status = 0;
      if (waitpid(worker.process, &status, WNOHANG) == 0) continue;
      worker.process = -1;
      if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
      if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) errors.push_back(fmt::format("a worker ended with status {}", status));
      if (errors.size() < 10) start(worker.number);
    }
    return is_anyone_left;
  }

  void harm(Worker& worker) {
    if (worker.process < 0 || worker.is_frozen) return;
    const size_t what = pick(10);
    if (what < 4) {
      ++faults.kills;
      kill(worker.process, SIGKILL);
    } else if (what < 7) {
      ++faults.freezes;
      worker.is_frozen = true;
      worker.thaws = Clock::now() + std::chrono::milliseconds(static_cast<int64_t>(1000.0 * between(1.1, 2.5) * kLease));
      kill(worker.process, SIGSTOP);
    } else {
      ++faults.slowings;
      std::atomic<bool>& slow = shared_.slow.at(worker.number);
      slow = !slow;
    }
  }

  void end_all() {
    for (const Worker& worker : workers_) {
      if (worker.process < 0) continue;
      kill(worker.process, SIGKILL);
      waitpid(worker.process, nullptr, 0);
    }
  }

  const Study& study_;
  Shared& shared_;
  std::mt19937_64 random_;
  std::array<Worker, kWorkers> workers_ = {};
  int64_t started_ = 0;
  int64_t harmed_ = 0;   ///< claims at the last harm
};

struct Total {
  int64_t runs = 0, trials = 0, claims = 0, lost_leases = 0, refused = 0;
  Faults faults;
  std::map<std::string, int64_t> violations;
};

void run_one(const Study& study, Total& total) {
  void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  require(memory != MAP_FAILED, "E0001", "no shared memory");
  auto* shared = new (memory) Shared;
  study.open();  // the tables, before anyone is killed
  const auto begun = Clock::now();
  Supervisor supervisor(study, *shared);
  const bool ended = supervisor.run();
  const double seconds = std::chrono::duration<double>(Clock::now() - begun).count();
  Findings findings = check(study, *shared);
  if (!ended) findings.violations["lost"].push_back("the study did not end");
  for (const std::string& error : supervisor.errors) findings.violations["lost"].push_back(error);
  const Faults& faults = supervisor.faults;
  fmt::print("{:>4} {:>7} {:>6} {:>6} {:>8} {:>8} {:>6} {:>12} {:>8}", study.seed, study.trials, shared->claims.load(), faults.kills, faults.freezes,
             faults.slowings, faults.skews, findings.lost_leases, shared->refused.load());
  for (const char* kind : {"lost", "doubled", "mixed"}) {
    const auto& found = findings.violations[kind];
    fmt::print(" {:>8}", found.size());
    total.violations[kind] += std::ssize(found);
  }
  fmt::print(" {:>7.1f}\n", seconds);
  for (const auto& [kind, found] : findings.violations)
    for (size_t i = 0; i < std::min<size_t>(found.size(), 3); ++i) fmt::print("     {}: {}\n", kind, found[i]);
  std::fflush(stdout);
  ++total.runs;
  total.trials += study.trials;
  total.claims += shared->claims;
  total.lost_leases += findings.lost_leases;
  total.refused += shared->refused;
  total.faults.kills += faults.kills;
  total.faults.freezes += faults.freezes;
  total.faults.slowings += faults.slowings;
  total.faults.skews += faults.skews;
  munmap(memory, sizeof(Shared));
}

int64_t number_of(std::string_view text) {
  int64_t value = 0;
  require(std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc(), "E0001", fmt::format("'{}' is no number", text));
  return value;
}

int run_all(const std::vector<std::string>& arguments) {
  int64_t first = 1, last = 1, trials = 300;
  bool expects_violations = false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--expect-violations") {
      expects_violations = true;
      continue;
    }
    require(i + 1 < arguments.size(), "E0001", fmt::format("'{}' needs a value", arguments[i]));
    const std::string& value = arguments[++i];
    const size_t dash = value.find('-');
    if (arguments[i - 1] == "--seeds")
      first = number_of(value.substr(0, dash)), last = dash == std::string::npos ? first : number_of(value.substr(dash + 1));
    else if (arguments[i - 1] == "--trials") trials = number_of(value);
    else fail("E0001", fmt::format("unknown option '{}'", arguments[i - 1]));
  }
  require(trials > 0 && trials <= kMostTrials, "E0001", fmt::format("--trials: 1 to {}", kMostTrials));
  const char* url = std::getenv("ESPALIER_TEST_STORE");
  fmt::print("{}, {} workers, a lease of {} s\n", url != nullptr ? "PostgreSQL" : "SQLite", kWorkers, kLease);
  fmt::print("seed  trials claims  kills  freezes slowings  skews  lost leases  refused     lost  doubled    mixed seconds\n");
  Total total;
  const TemporaryFolder folder;
  for (int64_t seed = first; seed <= last; ++seed) {
    const std::string name = fmt::format("{}-{}", folder.path().filename().string(), seed);
    run_one({.file = folder.path() / (name + ".db"),
             .url = url != nullptr ? url : "",
             .schema = name,
             .seed = static_cast<uint64_t>(seed),
             .trials = trials},
            total);
  }
  int64_t violations = 0;
  for (const auto& [kind, count] : total.violations) violations += count;
  fmt::print(
      "{} runs: {} trials, {} claims, {} kills, {} freezes, {} slowings, {} skewed clocks, {} leases lost, {} stale writers refused, {} violations\n",
      total.runs, total.trials, total.claims, total.faults.kills, total.faults.freezes, total.faults.slowings, total.faults.skews, total.lost_leases,
      total.refused, violations);
  if (expects_violations)
    fmt::print("{}\n", violations > 0 ? "found wrong, as it must be" : "found right: the checker sees nothing, or the harm is too small");
  return (violations > 0) == expects_violations ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run_all({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
}
