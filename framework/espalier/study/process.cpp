#include "espalier/study/process.h"

#include "espalier/error.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

namespace espalier {

namespace {

constexpr int kChannel = 3;
constexpr int kExecFailed = 127;

/// Our environment with ESPALIER_CHANNEL=3 in it.
std::vector<std::string> child_environment() {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry)
    if (!std::string_view(*entry).starts_with("ESPALIER_CHANNEL=")) out.emplace_back(*entry);
  out.push_back(fmt::format("ESPALIER_CHANNEL={}", kChannel));
  return out;
}

/// Moved above the descriptors that the child gives a fixed number, so that none is overwritten by another.
ChildDescriptor high(ChildDescriptor low) { return ChildDescriptor(fcntl(low.get(), F_DUPFD_CLOEXEC, 16)); }

/// Between fork and exec: system calls only, as other threads may have held locks.
[[noreturn]] void become(const char* program, char* const* arguments, char* const* environment, int channel, int log,
                         pid_t parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(kExecFailed);
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  sigset_t empty;
  sigemptyset(&empty);
  sigprocmask(SIG_SETMASK, &empty, nullptr);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) std::signal(number, SIG_DFL);
  // Slurm may warn every process of a job by it: the worker hears it, and tells its trainer to stop after a step.
  std::signal(SIGUSR1, SIG_IGN);
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null >= 0) dup2(null, STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  dup2(channel, kChannel);
  close_range(kChannel + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  execve(program, arguments, environment);
  const char* reason = std::strerror(errno);
  if (write(STDERR_FILENO, reason, std::strlen(reason)) < 0) _exit(kExecFailed);
  _exit(kExecFailed);
}

int64_t field(const std::filesystem::path& file, const std::string& name) {
  std::ifstream in(file);
  std::string word;
  int64_t value = 0;
  while (in >> word >> value)
    if (word == name) return value;
  return 0;
}

}  // namespace

ChildDescriptor& ChildDescriptor::operator=(ChildDescriptor&& other) noexcept {
  std::swap(value_, other.value_);
  return *this;
}
ChildDescriptor::~ChildDescriptor() {
  if (value_ >= 0) close(value_);
}

Process::Process(const std::filesystem::path& program, const std::filesystem::path& log) {
  require(access(program.c_str(), X_OK) == 0, "E4001", fmt::format("'{}' cannot be executed", program.string()));
  ChildDescriptor output = high(ChildDescriptor(open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)));
  require(static_cast<bool>(output), "E4001", fmt::format("cannot write the log '{}': {}", log.string(), std::strerror(errno)));
  std::array<int, 2> ends{};
  require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0, "E4001",
          fmt::format("no socket pair: {}", std::strerror(errno)));
  channel_ = high(ChildDescriptor(ends[0]));
  const ChildDescriptor theirs = high(ChildDescriptor(ends[1]));
  fcntl(channel_.get(), F_SETFL, O_NONBLOCK);

  std::vector<std::string> environment = child_environment();
  std::vector<char*> pointers;
  for (std::string& entry : environment) pointers.push_back(entry.data());
  pointers.push_back(nullptr);
  std::string name = program.string();
  std::array<char*, 2> arguments{name.data(), nullptr};
  const pid_t parent = getpid();

  pid_ = fork();
  require(pid_ >= 0, "E4001", fmt::format("cannot start a process: {}", std::strerror(errno)));
  if (pid_ == 0) become(name.c_str(), arguments.data(), pointers.data(), theirs.get(), output.get(), parent);
  setpgid(pid_, pid_);  // as in the child: whoever comes first
  watch_ = ChildDescriptor(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  if (!watch_) {
    const int error = errno;
    reap();
    fail("E4001", fmt::format("the process cannot be watched: {}", std::strerror(error)));
  }
}

Process::~Process() {
  if (pid_ > 0) reap();
}

void Process::signal(int number) const {
  if (pid_ > 0) kill(-pid_, number);
}

double Process::resident() const {
  std::ifstream in(fmt::format("/proc/{}/statm", pid_));
  double total = 0.0, pages = 0.0;
  if (!(in >> total >> pages)) return 0.0;
  return pages * static_cast<double>(sysconf(_SC_PAGESIZE));
}

int Process::reap() {
  // The group's number is ours as long as its leader has not been waited for.
  kill(-pid_, SIGKILL);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return status;
}

int64_t out_of_memory_kills() {
  int64_t most = 0;
  std::ifstream in("/proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    const bool unified = controllers.empty();
    if (!unified && controllers != "memory") continue;
    const std::string base = unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    const std::string file = unified ? "/memory.events" : "/memory.oom_control";
    // In a container the group's own folder is mounted as the root.
    for (const std::string& folder : {base + group, base}) most = std::max(most, field(folder + file, "oom_kill"));
  }
  return most;
}

std::string tail(const std::filesystem::path& file, int64_t most) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  if (!in) return "";
  const int64_t size = in.tellg();
  in.seekg(std::max<int64_t>(0, size - most));
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

}  // namespace espalier
