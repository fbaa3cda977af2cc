#pragma once

#include "espalier/json.h"

#include <chrono>
#include <optional>
#include <string>

namespace espalier::engine {

/// Asks the process to end after the current step (SIGTERM does so, too).
void request_stop();
bool stop_requested();

/// The trainer's side of the conversation with its worker: length-prefixed JSON on a socket, or JSON lines on standard
/// output where there is no worker.
class Channel {
 public:
  /// Speaks on `descriptor`; a negative one means standard output, and nothing is ever received.
  explicit Channel(int descriptor) : descriptor_(descriptor) {}

  /// Waits for one message. Throws E0402 if the other side has gone.
  Json receive();
  void send(const Json& message);
  /// To be called often: sends a beat if the last message is older than a second, and looks for a request to stop. A
  /// worker that has gone is a request to stop, too.
  void pulse();

 private:
  void look_for_stop();
  bool read_exactly(char* bytes, size_t count);

  int descriptor_;
  int64_t beats_ = 0;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace espalier::engine
