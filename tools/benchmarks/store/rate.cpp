// How fast a store is: trials that are claimed and completed by several processes, or a long list of them.
// Usage: espalier_bench_store trials STORE SECONDS WORKERS | espalier_bench_store list STORE TRIALS, where STORE is as in run.store.
#include "espalier/data/files.h"
#include "espalier/error.h"
#include "espalier/store/store.h"

#include <fmt/format.h>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <vector>

using namespace espalier;

namespace {

using Clock = std::chrono::steady_clock;
double since(Clock::time_point then) { return std::chrono::duration<double>(Clock::now() - then).count(); }

/// What one worker does until its time or the queue is over: the seconds of every claim.
std::vector<double> work(const std::filesystem::path& folder, int64_t worker, double seconds) {
  const auto store = open_store(folder);
  std::vector<double> claims;
  const auto begun = Clock::now();
  while (since(begun) < seconds) {
    const auto before = Clock::now();
    const auto lease = store->claim(fmt::format("bench/{}", worker), 60.0);
    if (!lease) break;
    claims.push_back(since(before));
    require(store->complete(*lease, {{"val_loss", 0.5}, {"macs", 1e6}}, 0.5, 1.0), "E0001", "a completion was refused");
  }
  return claims;
}

void fill(Store& store, int64_t trials) {
  const Settings settings{{"train.rate", 0.01}, {"train.batch", 128}, {"trunk.block", "resnet"}, {"trunk.resnet.depth", 3}};
  for (int64_t number = 0; number < trials; ++number) store.add(settings, "TPE, 24 candidates, log ratio 2.1", {{"number", number}});
}

/// Prints claims and completions a second, and the median and 99th hundredth of a claim in milliseconds.
void measure_trials(const std::filesystem::path& folder, double seconds, int64_t workers) {
  const auto begun_filling = Clock::now();
  constexpr int64_t kFirst = 200;
  fill(*open_store(folder), kFirst);
  // As many as could be needed, at four times the rate of adding.
  const double rate = kFirst / since(begun_filling);
  fill(*open_store(folder), std::min<int64_t>(40000, 1000 + static_cast<int64_t>(4.0 * rate * seconds)));
  const auto begun = Clock::now();
  std::array<int, 2> told{};
  require(pipe(told.data()) == 0, "E0001", "no pipe");
  std::vector<pid_t> children;
  for (int64_t worker = 0; worker < workers; ++worker) {
    children.push_back(fork());
    if (children.back() != 0) continue;
    try {
      for (const double claim : work(folder, worker, seconds))
        if (write(told[1], &claim, sizeof claim) != sizeof claim) _exit(1);
      _exit(0);
    } catch (const std::exception& error) {
      fmt::print(stderr, "{}\n", error.what());
      _exit(3);
    }
  }
  close(told[1]);
  std::vector<double> claims;
  for (double claim = 0.0; read(told[0], &claim, sizeof claim) == sizeof claim;) claims.push_back(claim);
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    require(status == 0, "E0001", "a worker has failed");
  }
  const double took = std::min(seconds, since(begun));
  std::ranges::sort(claims);
  const auto at = [&](double share) { return 1e3 * claims.at(static_cast<size_t>(share * static_cast<double>(claims.size() - 1))); };
  fmt::print("{{\"rate\": {:.1f}, \"claim_ms\": {:.3f}, \"claim_p99_ms\": {:.3f}, \"claim_most_ms\": {:.3f}}}\n",
             static_cast<double>(claims.size()) / took, at(0.5), at(0.99), at(1.0));
}

void measure_list(const std::filesystem::path& folder, int64_t trials) {
  const auto store = open_store(folder);
  fill(*store, trials);
  const auto begun = Clock::now();
  const auto found = store->trials();
  require(std::ssize(found) == trials, "E0001", "trials are missing");
  fmt::print("{{\"list_seconds\": {:.3f}}}\n", since(begun));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    if (arguments.size() < 3) return 2;
    const TemporaryFolder folder;
    create_store(folder.path(), arguments[1] == "sqlite" ? "" : arguments[1]);
    if (arguments[0] == "list") measure_list(folder.path(), std::stoll(arguments[2]));
    else if (arguments[0] == "trials" && arguments.size() == 4) measure_trials(folder.path(), std::stod(arguments[2]), std::stoll(arguments[3]));
    else return 2;
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
