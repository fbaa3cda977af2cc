#pragma once

#include "espalier/json.h"

#include <filesystem>
#include <functional>
#include <string>

namespace espalier {

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : number_(other.number_) { other.number_ = -1; }
  Descriptor& operator=(Descriptor&& other) noexcept;
  int number() const { return number_; }

 private:
  int number_;
};

/// A mapping of a whole file that unmaps itself.
class Mapping {
 public:
  Mapping() = default;
  /// Maps `size` bytes; `writable` mappings are shared with the file. Throws E2202.
  Mapping(const Descriptor& file, size_t size, bool writable);
  ~Mapping();
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  unsigned char* bytes() const { return bytes_; }
  size_t size() const { return size_; }

 private:
  unsigned char* bytes_ = nullptr;
  size_t size_ = 0;
};

/// A folder of its own among the system's temporary ones, removed at the end.
class TemporaryFolder {
 public:
  /// Throws E2202.
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Opens for reading. Throws E2202.
Descriptor open_to_read(const std::filesystem::path& file);
/// An exclusive lock on `file` (made if need be), held until the result dies; waits for other processes and threads, and
/// calls `waits` before it does.
Descriptor lock_file(const std::filesystem::path& file, const std::function<void()>& waits = {});
/// A name beside `file` that no other process uses.
std::filesystem::path temporary_name(const std::filesystem::path& file);
/// Flushes `temporary`, renames it to `file` and flushes the folder. Throws E2202.
void publish(const std::filesystem::path& temporary, const std::filesystem::path& file);
/// Lets `make` write a file under another name and publishes it as `file`; where that fails nothing is left behind.
void write_whole(const std::filesystem::path& file, const std::function<void(const std::filesystem::path&)>& make);
/// Writes `text` so that a reader sees all of it or nothing. Throws E2202.
void write_file_safely(const std::filesystem::path& file, const std::string& text);
/// The same for what is kept only to be faster next time: a folder that cannot be written, or a full disk, is no error.
void remember_in_file(const std::filesystem::path& file, const std::string& text);
/// The whole text; empty if there is no such file.
std::string read_text_file(const std::filesystem::path& file);
/// The document in a file; null if there is none or it is broken.
Json read_json_file(const std::filesystem::path& file);

}  // namespace espalier
