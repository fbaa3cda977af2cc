// Studies whose processes are killed, all at once or one by one, at random instants, or whose server goes away.
// ESPALIER_CHAOS_INSTANTS: how many kills.
#include "catch.h"
#include "harm.h"

#include <fmt/format.h>

using namespace espalier;
using namespace espalier::testing;

TEST_CASE("a study whose whole tree is killed again and again ends as if it had not been") {
  const TemporaryFolder folder;
  const Pipeline pipeline = with_rungs(24);
  const auto begun = std::chrono::steady_clock::now();
  run_quietly(pipeline, folder.path() / "whole");
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  const Json whole = results(folder.path() / "whole");
  std::mt19937_64 random(1);
  // From the first moments of a start to a quarter of the study.
  std::uniform_real_distribution<double> exponent(std::log(0.002), std::log(std::max(0.1, seconds / 4)));
  const int64_t instants = wanted_instants(20);
  int64_t studies = 1, kills = 0, starts_of_this = 0;
  const auto study = [&] { return folder.path() / fmt::format("cut{}", studies); };
  while (kills < instants) {
    const pid_t process = start_group([&] { run_quietly(pipeline, study()); });
    if (const auto status = end_within(process, std::exp(exponent(random)))) {
      REQUIRE(*status == 0);
      INFO(study().string());
      REQUIRE(difference(whole, results(study())) == "[]");
      ++studies;
      starts_of_this = 0;
      continue;
    }
    kill_group(process);
    ++kills;
    ++starts_of_this;
  }
  run_quietly(pipeline, study());
  CHECK(difference(whole, results(study())) == "[]");
  fmt::print("{} kills in {} studies of {:.1f} s, each with the result of the one that was left alone; the last was begun {} times\n", kills, studies,
             seconds, starts_of_this + 1);
}

TEST_CASE("in reproducible order processes that join and are killed change nothing") {
  const TemporaryFolder folder;
  Pipeline pipeline = with_rungs(24);
  pipeline.search.reproducible = true;
  pipeline.search.lag = 4;
  run_quietly(pipeline, folder.path() / "whole");
  const Json whole = results(folder.path() / "whole");
  const auto study = folder.path() / "harmed";
  std::mt19937_64 random(2);
  std::uniform_real_distribution<double> pause(0.02, 0.5);
  const int64_t most = wanted_instants(20);
  int64_t kills = 0;
  // The first runs the study, the others join it; the work of the killed is claimed again after a lease of half a second.
  const auto begin = [&](size_t place) {
    return start_group([&, place] {
      if (place == 0) run_quietly(pipeline, study, 0.5);
      else join_quietly(pipeline, study, 0.5);
    });
  };
  std::array<pid_t, 4> processes{};
  for (size_t i = 0; i < processes.size(); ++i) processes[i] = begin(i);
  while (true) {
    const size_t victim = random() % processes.size();
    if (const auto status = end_within(processes[0], pause(random))) {
      REQUIRE(*status == 0);
      break;
    }
    if (kills < most) kill_group(processes[victim]), ++kills;
    else if (victim == 0 || !end_within(processes[victim], 0.0)) continue;  // joined too early, or done
    processes[victim] = begin(victim);
  }
  for (size_t i = 1; i < processes.size(); ++i) kill_group(processes[i]);
  run_quietly(pipeline, study, 0.5);
  CHECK(difference(whole, results(study)) == "[]");
  fmt::print("{} kills of single processes\n", kills);
}

TEST_CASE("workers that lose their server say so, wait and go on") {
  const char* url = std::getenv("ESPALIER_TEST_STORE");
  if (url == nullptr) return;  // the test chaos.lost_server runs this beside a server
  const TemporaryFolder folder;
  Pipeline pipeline = with_rungs(8);
  pipeline.space.axes.push_back({.name = "seconds", .choices = {0.05}, .first = 0.05});
  pipeline.search.reproducible = true;
  pipeline.search.lag = 2;
  run_quietly(pipeline, folder.path() / "whole");
  pipeline.store = url;
  pipeline.workers = 2;
  class Stopper : public Watcher {
   public:
    std::jthread server = {};
    void on_epoch(const TrialRecord& trial, const EpochRecord& epoch) override {
      Watcher::on_epoch(trial, epoch);
      if (epochs == 5) server = std::jthread([] { CHECK(std::system(ESPALIER_SOURCE "/tests/support/restart_postgres 2") == 0); });
    }
  } watcher;
  const auto study = folder.path() / "lost";
  const StudyResult result = run_study(
      pipeline, Registry::scan({}), {.folder = study, .trainer = fake_trainer(), .lease_seconds = 1.0, .interrupts = &watcher.interrupts}, watcher);
  watcher.server.join();
  CHECK(result.end == StudyEnd::finished);
  CHECK(result.failed == 0);
  CHECK(difference(results(folder.path() / "whole"), results(study)) == "[]");
  const auto said = [&](const char* words) {
    return std::ranges::count_if(watcher.notes, [&](const std::string& note) { return note.find(words) != std::string::npos; });
  };
  CHECK(said("waiting for it") >= 1);
  CHECK(said("is there again") == said("waiting for it"));
}
