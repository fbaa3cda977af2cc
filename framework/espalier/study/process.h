#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace espalier {

/// A file descriptor that closes itself.
class ChildDescriptor {
 public:
  explicit ChildDescriptor(int value = -1) : value_(value) {}
  ChildDescriptor(ChildDescriptor&& other) noexcept : value_(other.value_) { other.value_ = -1; }
  ChildDescriptor& operator=(ChildDescriptor&& other) noexcept;
  ~ChildDescriptor();
  int get() const { return value_; }
  explicit operator bool() const { return value_ >= 0; }

 private:
  int value_;
};

/// A running program in a process group of its own; whatever is left of the group is killed with this object.
class Process {
 public:
  /// Starts `program` with one end of a socket pair as descriptor 3 (environment: ESPALIER_CHANNEL=3) and both outputs
  /// appended to `log`. It dies with this process and writes no core file. Throws E4001.
  Process(const std::filesystem::path& program, const std::filesystem::path& log);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  int channel() const { return channel_.get(); }  ///< our end, never blocking
  int watch() const { return watch_.get(); }      ///< a pidfd: readable once the process has ended
  /// Sends a signal to the whole group.
  void signal(int number) const;
  /// Resident bytes of the process, 0 if it has ended.
  double resident() const;
  /// Kills what is left of the group and returns the status of waitpid; blocks until the process has ended.
  int reap();

 private:
  pid_t pid_ = -1;
  ChildDescriptor channel_;
  ChildDescriptor watch_;
};

/// How often the kernel has killed for lack of memory in our control group; 0 where this cannot be read.
int64_t out_of_memory_kills();

/// The last bytes of a file, at most `most`.
std::string tail(const std::filesystem::path& file, int64_t most);

}  // namespace espalier
