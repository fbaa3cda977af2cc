#include "trainer_process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <fstream>

namespace espalier::test {

Json Outcome::last(const std::string& kind) const {
  Json found;
  for (const Json& message : messages)
    if (message.contains(kind)) found = message;
  return found;
}

size_t Outcome::count(const std::string& kind) const {
  size_t n = 0;
  for (const Json& message : messages) n += message.contains(kind) ? 1 : 0;
  return n;
}

Outcome run_trainer(const Json& job, const std::filesystem::path& folder, int signal, size_t signal_after,
                    const std::string& signal_kind) {
  std::filesystem::create_directories(folder);
  const std::string file = (folder / "job.json").string();
  std::ofstream(file) << job.dump();
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) return {};
  const pid_t child = fork();
  if (child == 0) {
    unsetenv("ESPALIER_CHANNEL");
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    execl(ESPALIER_TRAINER, "espalier-trainer", file.c_str(), nullptr);
    _exit(127);
  }
  close(ends[1]);
  Outcome outcome;
  FILE* lines = fdopen(ends[0], "r");
  char* line = nullptr;
  size_t room = 0;
  while (getline(&line, &room, lines) > 0) {
    outcome.messages.push_back(Json::parse(line));
    if (signal != 0 && outcome.messages.back().contains(signal_kind) && outcome.count(signal_kind) == signal_after) kill(child, signal);
  }
  free(line);
  fclose(lines);
  int status = 0;
  waitpid(child, &status, 0);
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return outcome;
}

}  // namespace espalier::test
