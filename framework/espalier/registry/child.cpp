#include "espalier/registry/child.h"

#include "espalier/error.h"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace espalier {

namespace {

/// What is thrown must not unwind into a second copy of the parent.
[[noreturn]] void run(const std::function<Json()>& work, int to_parent) noexcept {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  for (const int number : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTERM, SIGINT}) signal(number, SIG_DFL);
  const std::string text = work().dump(-1, ' ', false, Json::error_handler_t::replace);
  for (size_t sent = 0; sent < text.size();) {
    const ssize_t n = write(to_parent, text.data() + sent, text.size() - sent);
    if (n <= 0) _exit(1);
    sent += static_cast<size_t>(n);
  }
  _exit(0);
}

/// All that comes before the end of the stream; false if it lasts too long.
bool read_all(int from, std::chrono::seconds patience, std::string& out) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd waiting{from, POLLIN, 0};
    const int ready = left > 0 ? poll(&waiting, 1, static_cast<int>(left)) : 0;
    if (ready == 0) return false;
    if (ready < 0) continue;
    char buffer[65536];
    const ssize_t n = read(from, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return true;
    out.append(buffer, static_cast<size_t>(n));
  }
}

}  // namespace

Answer ask_child(const std::function<Json()>& work, const std::string& when, std::chrono::seconds patience) {
  int ends[2];
  require(pipe2(ends, O_CLOEXEC) == 0, "E1009", fmt::format("no pipe for a child process: {}", std::strerror(errno)));
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    run(work, ends[1]);
  }
  close(ends[1]);
  if (child < 0) {
    close(ends[0]);
    fail("E1009", fmt::format("no child process: {}", std::strerror(errno)));
  }
  std::string text;
  const bool in_time = read_all(ends[0], patience, text);
  close(ends[0]);
  if (!in_time) kill(child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!in_time) return {{}, fmt::format("did not end within {} seconds {}", patience.count(), when), false};
  if (WIFSIGNALED(status)) return {{}, fmt::format("crashed {}: {}", when, strsignal(WTERMSIG(status)))};
  Json document = Json::parse(text, nullptr, false);
  if (WEXITSTATUS(status) != 0 || document.is_discarded())
    return {{}, fmt::format("ended the process {}, with exit code {}", when, WEXITSTATUS(status))};
  return {std::move(document), ""};
}

}  // namespace espalier
