// Does a few things that must not be undone, and says each one once it was acknowledged; then judges what is there.
// Usage: steps store|file FOLDER, steps check-store|check-file FOLDER SAID, where SAID holds what the first one said.
#include "espalier/error.h"
#include "espalier/store/database.h"
#include "espalier/store/store.h"
#include "espalier/study/files.h"

#include <fmt/format.h>

#include <unistd.h>

#include <fstream>
#include <iterator>

using namespace espalier;

namespace {

constexpr double kLong = 3600.0;
constexpr int64_t kTrials = 3;

/// Unbuffered, so that it is out before the next step begins.
void say(const std::string& line) {
  const std::string text = line + "\n";
  require(write(STDOUT_FILENO, text.data(), text.size()) == static_cast<ssize_t>(text.size()), "E0001", "cannot say what was done");
}

std::vector<std::string> lines_of(const std::filesystem::path& file) {
  std::vector<std::string> lines;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

void use_store(const std::filesystem::path& folder) {
  const auto store = open_sqlite(folder / "study.db");
  say("opened");
  for (int64_t number = 0; number < kTrials; ++number) {
    const double score = static_cast<double>(number) + 0.5;
    require(store->add({{"x", number}}, "why", {{"number", number}}) == number, "E0001", "another number");
    say("added");
    const Lease lease = store->claim("a", kLong).value();
    say("claimed");
    require(store->record_epoch(lease, {1, {{"val_loss", score}}}), "E0001", "refused");
    say("recorded");
    require(store->record_checkpoint(lease, "1.ckpt", "ab", 1.0), "E0001", "refused");
    say("saved");
    require(store->complete(lease, {{"val_loss", score}}, score, 1.0), "E0001", "refused");
    say("completed");
  }
  say("done");
}

/// How many steps a store holds, counted as `use_store` says them; throws where something is there by half.
int64_t steps_in(const std::filesystem::path& file) {
  const auto database = open_sqlite_database(file.string(), false);
  {
    Statement check(*database, "pragma integrity_check");
    require(check.step() && check.text(0) == "ok", "E0001", "SQLite finds the file damaged");
  }
  if (database->format() == 0) return 0;
  const auto store = open_sqlite(file);
  int64_t steps = 1;
  const auto trials = store->trials();
  require(store->decisions().size() == trials.size(), "E0001", "decisions and trials differ in number");
  for (const TrialRecord& trial : trials) {
    const bool is_last = trial.number + 1 == std::ssize(trials);
    const double score = static_cast<double>(trial.number) + 0.5;
    const bool is_complete = trial.state == TrialState::complete;
    const bool is_recorded = trial.epochs == 1.0;
    const bool is_saved = !trial.checkpoint.empty();
    const bool is_claimed = trial.attempts == 1;
    require(is_complete || is_last, "E0001", "a trial was begun before the one before it had ended");
    require(is_claimed == (trial.state != TrialState::queued), "E0001", "a claim is there by half");
    require(std::ssize(store->epochs(trial.number)) == (is_recorded ? 1 : 0), "E0001", "an epoch is there by half");
    require(!is_recorded || store->epochs(trial.number).at(0).metrics == Metrics{{"val_loss", score}}, "E0001", "an epoch has other metrics");
    require(is_complete == (trial.objective == score) && is_complete == trial.scores.contains("val_loss") && is_complete == !trial.ended.empty() &&
                is_complete == (store->decisions().at(static_cast<size_t>(trial.number)).ended >= 0),
            "E0001", "a completion is there by half");
    require((is_claimed || !is_recorded) && (is_recorded || !is_saved) && (is_saved || !is_complete), "E0001",
            "a step is there without the one before it");
    steps += 1 + (is_claimed ? 1 : 0) + (is_recorded ? 1 : 0) + (is_saved ? 1 : 0) + (is_complete ? 1 : 0);
  }
  return steps;
}

void check_store(const std::filesystem::path& folder, const std::filesystem::path& said) {
  const auto lines = lines_of(said);
  const bool is_done = !lines.empty() && lines.back() == "done";
  const int64_t acknowledged = std::ssize(lines) - (is_done ? 1 : 0);
  const int64_t found = std::filesystem::exists(folder / "study.db") ? steps_in(folder / "study.db") : 0;
  require(found == acknowledged || found == acknowledged + 1, "E0001", fmt::format("{} steps were acknowledged, {} are there", acknowledged, found));
  // And it can be used.
  if (std::filesystem::exists(folder / "study.db")) open_sqlite(folder / "study.db")->set_info("used", true);
}

std::string content_of(int64_t version) { return std::string(20000, static_cast<char>('a' + version)); }

void use_file(const std::filesystem::path& folder) {
  for (int64_t version = 0; version < 6; ++version) {
    write_file(folder / "lock.json", content_of(version));
    say("written");
  }
}

void check_file(const std::filesystem::path& folder, const std::filesystem::path& said) {
  const int64_t acknowledged = std::ssize(lines_of(said));
  std::ifstream in(folder / "lock.json");
  const std::string found{std::istreambuf_iterator<char>(in), {}};
  const bool is_whole =
      (acknowledged > 0 && found == content_of(acknowledged - 1)) || found == content_of(acknowledged) || (acknowledged == 0 && found.empty());
  require(is_whole, "E0001",
          fmt::format("{} versions were acknowledged; there are {} bytes, from '{}' to '{}'", acknowledged, found.size(), found.substr(0, 1),
                      found.substr(found.empty() ? 0 : found.size() - 1)));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    if (arguments.size() == 2 && arguments[0] == "store") use_store(arguments[1]);
    else if (arguments.size() == 2 && arguments[0] == "file") use_file(arguments[1]);
    else if (arguments.size() == 3 && arguments[0] == "check-store") check_store(arguments[1], arguments[2]);
    else if (arguments.size() == 3 && arguments[0] == "check-file") check_file(arguments[1], arguments[2]);
    else return 2;
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 3;
  }
}
