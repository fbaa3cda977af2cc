#include "espalier/cli/signals.h"

#include "espalier/cli/terminal.h"

#include <array>
#include <csignal>

#include <unistd.h>

namespace espalier::cli {

namespace {

// A signal handler reaches nothing but static storage.
std::atomic<int> interrupt_count{0};
std::atomic<bool> terminated{false};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

// What a system says before it ends a program: Slurm warns by SIGUSR1 where it is asked to.
constexpr std::array kEndings = {SIGTERM, SIGUSR1};

std::string last_words;

void on_signal_that_ends(int signal) {
  const ssize_t written = write(STDERR_FILENO, last_words.data(), last_words.size());
  static_cast<void>(written);  // nobody is left to be told
  _exit(signal == SIGINT ? 130 : 75);
}

void on_interrupt(int) {
  if (interrupt_count.fetch_add(1) >= 2) _exit(130);
}

void on_terminate(int) {
  terminated.store(true);
  interrupt_count.fetch_add(1);
}

// An empty handler rather than SIG_IGN: children get the default back.
void on_broken_pipe(int) {}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

}  // namespace

void exit_on_signals(const std::string& message) {
  // A line of progress may stand on the terminal.
  last_words = (is_terminal(stderr) ? "\r\033[K" : "") + message + "\n";
  handle(SIGINT, on_signal_that_ends);
  for (const int signal : kEndings) handle(signal, on_signal_that_ends);
}

void listen_for_signals() {
  handle(SIGINT, on_interrupt);
  for (const int signal : kEndings) handle(signal, on_terminate);
}

void ignore_broken_pipes() { handle(SIGPIPE, on_broken_pipe); }

const std::atomic<int>& interrupts() { return interrupt_count; }

int interrupted_exit_code() { return terminated.load() ? 75 : 130; }

}  // namespace espalier::cli
