#include "espalier/registry/library.h"

#include "espalier/registry/declaration.h"

#include <boost/core/demangle.hpp>
#include <boost/dll/shared_library.hpp>
#include <fmt/format.h>

#include <cfenv>
#include <chrono>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <regex>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <typeinfo>
#include <unistd.h>

namespace espalier {

namespace {

/// Restores rounding and denormals: a library linked with -ffast-math changes them for the whole process.
class KeepFloatingPoint {
 public:
  KeepFloatingPoint() { std::fegetenv(&saved_); }
  ~KeepFloatingPoint() { std::fesetenv(&saved_); }
  KeepFloatingPoint(const KeepFloatingPoint&) = delete;
  KeepFloatingPoint& operator=(const KeepFloatingPoint&) = delete;

 private:
  std::fenv_t saved_{};
};

/// The loader's sentence with C++ names as a person writes them, without the path that the message has already.
std::string readable(std::string text, const std::filesystem::path& path) {
  if (text.starts_with(path.string() + ": ")) text.erase(0, path.string().size() + 2);
  std::smatch symbol;
  if (std::regex_search(text, symbol, std::regex("_Z\\w+")))
    text = symbol.prefix().str() + boost::core::demangle(symbol.str().c_str()) + symbol.suffix().str();
  return text;
}

struct Opened {
  std::unique_ptr<Plugin> plugin;
  std::optional<Refusal> refusal;
};

Opened open(const std::filesystem::path& path) {
  namespace dll = boost::dll;
  const KeepFloatingPoint keep;
  const auto mode = dll::load_mode::rtld_now | dll::load_mode::rtld_local | static_cast<dll::load_mode::type>(RTLD_NODELETE);
  boost::system::error_code code;
  dlerror();
  const dll::shared_library library(boost::filesystem::path(path.string()), code, mode);
  if (code || !library.is_loaded()) {
    const char* text = dlerror();
    return {nullptr, Refusal{"E1009", "cannot be loaded: " + readable(text != nullptr ? text : code.message(), path), "", false}};
  }
  if (!library.has("espalier_plugin")) return {nullptr, Refusal{"E1001", "is a library without the symbol espalier_plugin"}};
  const auto& header = library.get<const EspalierPluginHeader>("espalier_plugin");
  auto plugin = std::make_unique<Plugin>();
  try {
    header.fill(*plugin);
  } catch (const std::exception& e) {
    return {nullptr, Refusal{"E1006", fmt::format("threw while registering: {}: {}", boost::core::demangle(typeid(e).name()), e.what())}};
  } catch (...) {
    return {nullptr, Refusal{"E1006", "threw something that is no exception while registering"}};
  }
  return {std::move(plugin), std::nullopt};
}

[[noreturn]] void run_child(const std::filesystem::path& path, int to_parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  // What a library prints while it is loaded is not our output.
  if (const int nothing = ::open("/dev/null", O_RDWR); nothing >= 0) {
    dup2(nothing, STDIN_FILENO);
    dup2(nothing, STDOUT_FILENO);
    dup2(nothing, STDERR_FILENO);
  }
  for (const int number : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTERM, SIGINT}) signal(number, SIG_DFL);
  Json answer;
  Opened opened = open(path);
  if (opened.refusal)
    answer["refused"] = {opened.refusal->code, opened.refusal->text, opened.refusal->hint, opened.refusal->by_content};
  else
    answer["declares"] = describe(*opened.plugin);
  const std::string text = answer.dump(-1, ' ', false, Json::error_handler_t::replace);
  for (size_t sent = 0; sent < text.size();) {
    const ssize_t n = write(to_parent, text.data() + sent, text.size() - sent);
    if (n <= 0) _exit(1);
    sent += static_cast<size_t>(n);
  }
  _exit(0);
}

/// All that comes before the end of the stream; false after `kPatience`.
bool read_all(int from, std::string& out) {
  constexpr auto kPatience = std::chrono::seconds(60);  // a loaded machine may take seconds, a lock for ever
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
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

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status)) return fmt::format("crashed while it was loaded: {}", strsignal(WTERMSIG(status)));
  return fmt::format("ended the process while it was loaded, with exit code {}", WEXITSTATUS(status));
}

}  // namespace

std::unique_ptr<Plugin> open_library(const std::filesystem::path& path) {
  Opened opened = open(path);
  if (opened.refusal) throw Error(to_problem(*opened.refusal, path.filename().string()));
  return std::move(opened.plugin);
}

std::variant<Json, Refusal> probe_library(const std::filesystem::path& path) {
  int ends[2];
  require(pipe2(ends, O_CLOEXEC) == 0, "E1009", fmt::format("no pipe for looking into {}: {}", path.string(), std::strerror(errno)));
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    run_child(path, ends[1]);
  }
  close(ends[1]);
  require(child > 0, "E1009", fmt::format("no process for looking into {}: {}", path.string(), std::strerror(errno)));
  std::string text;
  const bool in_time = read_all(ends[0], text);
  close(ends[0]);
  if (!in_time) kill(child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!in_time) return Refusal{"E1005", "did not finish loading within 60 seconds", "", false};
  const Json answer = Json::parse(text, nullptr, false);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || !answer.is_object()) return Refusal{"E1005", how_it_ended(status)};
  if (const auto refused = answer.find("refused"); refused != answer.end())
    return Refusal{refused->at(0), refused->at(1), refused->at(2), refused->at(3)};
  return answer.at("declares");
}

}  // namespace espalier
