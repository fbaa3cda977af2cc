#include "espalier/engine/messages.h"

#include "espalier/error.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <iostream>

namespace espalier::engine {

namespace {

// A signal handler may touch nothing else than such a flag.
volatile std::sig_atomic_t stop_flag = 0;

constexpr uint32_t kLongest = 1U << 30U;

}  // namespace

void request_stop() { stop_flag = 1; }

bool stop_requested() { return stop_flag != 0; }

bool Channel::read_exactly(char* bytes, size_t count) {
  size_t done = 0;
  while (done < count) {
    const ssize_t n = ::read(descriptor_, bytes + done, count - done);
    if (n == 0) return false;
    if (n < 0 && errno != EINTR) return false;
    if (n > 0) done += static_cast<size_t>(n);
  }
  return true;
}

Json Channel::receive() {
  std::array<unsigned char, 4> head{};
  require(read_exactly(reinterpret_cast<char*>(head.data()), head.size()), "E0402", "the worker has closed the channel");
  uint32_t length = 0;
  for (size_t i = 0; i < 4; ++i) length |= static_cast<uint32_t>(head[i]) << (8U * i);
  require(length <= kLongest, "E0402", "a message of " + std::to_string(length) + " bytes is longer than 1 GiB");
  std::string text(length, '\0');
  require(read_exactly(text.data(), length), "E0402", "the worker has closed the channel within a message");
  return Json::parse(text);
}

void Channel::send(const Json& message) {
  last_ = std::chrono::steady_clock::now();
  const std::string text = message.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (descriptor_ < 0) {
    std::cout << text << std::endl;
    return;
  }
  std::string bytes;
  for (unsigned i = 0; i < 4; ++i) bytes.push_back(static_cast<char>((text.size() >> (8U * i)) & 0xffU));
  bytes += text;
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::send(descriptor_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      request_stop();  // nobody listens any more: save the work and end
      return;
    }
    done += static_cast<size_t>(n);
  }
}

void Channel::look_for_stop() {
  if (descriptor_ < 0 || stop_requested()) return;
  pollfd waiting{.fd = descriptor_, .events = POLLIN, .revents = 0};
  if (::poll(&waiting, 1, 0) <= 0) return;
  try {
    if (receive().contains("stop")) request_stop();
  } catch (const Error&) {
    request_stop();
  }
}

void Channel::pulse() {
  look_for_stop();
  if (std::chrono::steady_clock::now() - last_ > std::chrono::seconds(1)) send({{"beat", ++beats_}});
}

}  // namespace espalier::engine
