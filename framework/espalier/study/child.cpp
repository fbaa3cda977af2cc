#include "espalier/study/child.h"

#include "espalier/error.h"
#include "espalier/study/clock.h"
#include "espalier/study/process.h"

#include <fmt/format.h>

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace espalier {

namespace {

constexpr int kExitOutOfMemory = 71;
constexpr int kExitStopped = 75;
constexpr int64_t kLogTail = 8192;

/// Messages are a length of four bytes, little endian, and JSON.
std::string frame(const Json& message) {
  const std::string text = message.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string out;
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>((text.size() >> shift) & 0xff);
  return out + text;
}

/// Takes the first whole message off `buffer`.
std::optional<Json> unframe(std::string& buffer) {
  constexpr size_t kHead = 4;
  constexpr size_t kMost = size_t{1} << 30;
  if (buffer.size() < kHead) return std::nullopt;
  size_t length = 0;
  for (size_t i = 0; i < kHead; ++i) length |= size_t{static_cast<unsigned char>(buffer[i])} << (8 * i);
  require(length <= kMost, "E4002", fmt::format("the trainer announces a message of {} bytes", length));
  if (buffer.size() < kHead + length) return std::nullopt;
  Json message = Json::parse(buffer.begin() + kHead, buffer.begin() + static_cast<std::ptrdiff_t>(kHead + length), nullptr, false);
  require(!message.is_discarded(), "E4002", "the trainer sends a message that is not JSON");
  buffer.erase(0, kHead + length);
  return message;
}

std::string last_line(const std::string& text) {
  const size_t end = text.find_last_not_of("\r\n \t");
  if (end == std::string::npos) return "";
  const size_t start = text.find_last_of('\n', end);
  const std::string line = text.substr(start == std::string::npos ? 0 : start + 1, end - (start == std::string::npos ? 0 : start + 1) + 1);
  return line.substr(0, 300);
}

std::string text_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

/// One run of a child: what was heard of it, and what was done about it.
class Supervision {
 public:
  Supervision(const ChildOptions& options, const Json& job, const std::function<void(const Json&)>& on_message)
      : options_(options), on_message_(on_message), kills_before_(out_of_memory_kills()),
        log_start_(file_size(options.log)), process_(options.program, options.log), outgoing_(frame(job)) {}

  ChildEnd run() {
    while (!ended_) {
      wait();
      if (options_.on_tick) options_.on_tick();
      enforce();
    }
    const int status = process_.reap();
    ChildEnd end = classify(status);
    end.seconds = seconds_since(started_);
    return end;
  }

 private:
  static int64_t file_size(const std::filesystem::path& file) {
    std::error_code error;
    const auto size = std::filesystem::file_size(file, error);
    return error ? 0 : static_cast<int64_t>(size);
  }

  void wait() {
    constexpr int kTick = 100;
    const auto wanted = static_cast<short>(POLLIN | (outgoing_.empty() ? 0 : POLLOUT));
    std::array<pollfd, 2> watched{pollfd{process_.watch(), POLLIN, 0}, pollfd{open_ ? process_.channel() : -1, wanted, 0}};
    if (poll(watched.data(), watched.size(), kTick) < 0 && errno != EINTR)
      fail("E4002", fmt::format("cannot wait for the trainer: {}", std::strerror(errno)));
    ended_ = watched[0].revents != 0;
    if ((watched[1].revents & POLLOUT) != 0) send_some();
    if (watched[1].revents != 0 || ended_) receive();
  }

  void send_some() {
    const ssize_t n = send(process_.channel(), outgoing_.data(), outgoing_.size(), MSG_NOSIGNAL);
    if (n > 0) outgoing_.erase(0, static_cast<size_t>(n));
    // A child that has closed its end is told by its exit status.
    if (n < 0 && errno != EAGAIN && errno != EINTR) outgoing_.clear();
  }

  void receive() {
    std::array<char, 65536> piece{};
    while (open_) {
      const ssize_t n = recv(process_.channel(), piece.data(), piece.size(), 0);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) break;
      if (n <= 0) open_ = false;
      if (n > 0) incoming_.append(piece.data(), static_cast<size_t>(n));
    }
    while (const auto message = unframe(incoming_)) {
      heard_ = Clock::now();
      if (message->is_object() && message->contains("done")) done_ = message->at("done");
      if (message->is_object() && message->contains("failed")) failed_ = message->at("failed");
      if (on_message_) on_message_(*message);
    }
  }

  /// Asks, ends or kills where a limit is passed or someone has pressed Ctrl-C.
  void enforce() {
    if (ended_) return;
    const int interrupts = options_.interrupts ? options_.interrupts() : 0;
    const bool out_of_time = options_.stop_seconds > 0 && seconds_since(started_) > options_.stop_seconds;
    if (interrupts >= 2) {
      if (cause_.empty()) give_up("interrupted", "stopped at once");
      process_.signal(SIGKILL);
    } else if ((interrupts == 1 || out_of_time) && !asked_) {
      asked_ = true;
      outgoing_ += frame({{"stop", "after_step"}});
    }
    if (!cause_.empty()) {
      if (seconds_since(gave_up_) > options_.grace_seconds) process_.signal(SIGKILL);
      return;
    }
    if (options_.limit_seconds > 0 && seconds_since(started_) > options_.limit_seconds)
      give_up("timeout", fmt::format("ran longer than its limit of {:g} s", options_.limit_seconds));
    else if (options_.silence_seconds > 0 && seconds_since(heard_) > options_.silence_seconds)
      give_up("timeout", fmt::format("hung: said nothing for {:g} s", options_.silence_seconds));
    else if (options_.limit_bytes > 0 && process_.resident() > options_.limit_bytes)
      give_up("memory", fmt::format("used more memory than its limit of {:.0f} MiB", options_.limit_bytes / 1048576.0));
  }

  void give_up(const std::string& cause, const std::string& message) {
    cause_ = cause;
    message_ = message;
    gave_up_ = Clock::now();
    process_.signal(SIGTERM);
    process_.signal(SIGCONT);  // a stopped process would never see SIGTERM
  }

  ChildEnd classify(int status) const {
    const bool exited = WIFEXITED(status);
    const int code = exited ? WEXITSTATUS(status) : -1;
    if (exited && code == 0 && !done_.is_null() && failed_.is_null()) return {.cause = "", .message = "", .done = done_};
    if (!cause_.empty()) return {.cause = cause_, .message = message_, .done = done_};
    if (!failed_.is_null()) return told();
    if (asked_ && code == kExitStopped) return {.cause = "interrupted", .message = "stopped after a step", .done = done_};
    const std::string log = tail(options_.log, std::min(kLogTail, file_size(options_.log) - log_start_));
    const std::string line = last_line(log);
    const std::string said = line.empty() ? "" : ": " + line;
    for (const char* text : {"bad_alloc", "can't allocate memory", "out of memory"})
      if (log.find(text) != std::string::npos) return {.cause = "memory", .message = "out of memory" + said, .done = done_};
    if (code == kExitOutOfMemory) return {.cause = "memory", .message = "out of memory" + said, .done = done_};
    if (exited) return {.cause = "crash", .message = fmt::format("ended early with exit code {}{}", code, said), .done = done_};
    const int number = WTERMSIG(status);
    if (number == SIGKILL && out_of_memory_kills() > kills_before_)
      return {.cause = "memory", .message = "killed by the system, which ran out of memory", .done = done_};
    if (number == SIGKILL) return {.cause = "crash", .message = "killed (maybe out of memory)" + said, .done = done_};
    const char* name = sigabbrev_np(number);
    return {.cause = "crash", .message = fmt::format("crashed with SIG{}{}", name != nullptr ? name : "?", said), .done = done_};
  }

  /// The trainer's own account of its failure.
  ChildEnd told() const {
    static constexpr std::array kCauses{"data", "nan", "memory", "crash", "plugin", "timeout"};
    std::string cause = text_of(failed_, "cause");
    if (std::ranges::find(kCauses, cause) == kCauses.end()) cause = "crash";
    std::string message;
    for (const char* part : {"where", "hint"})
      if (const std::string text = text_of(failed_, part); !text.empty()) message += (message.empty() ? "" : ": ") + text;
    return {.cause = cause, .message = message, .done = done_};
  }

  const ChildOptions& options_;
  const std::function<void(const Json&)>& on_message_;
  int64_t kills_before_;
  int64_t log_start_;  ///< a log may hold earlier runs
  Process process_;
  std::string outgoing_;
  std::string incoming_;
  Json done_;
  Json failed_;
  bool open_ = true;
  bool ended_ = false;
  bool asked_ = false;
  std::string cause_;
  std::string message_;
  Clock::time_point started_ = Clock::now();
  Clock::time_point heard_ = started_;
  Clock::time_point gave_up_ = started_;
};

}  // namespace

ChildEnd run_child(const ChildOptions& options, const Json& job, const std::function<void(const Json&)>& on_message) {
  return Supervision(options, job, on_message).run();
}

}  // namespace espalier
