#pragma once

#include "espalier/json.h"

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace espalier {

/// SHA-256 of pieces, given one after the other.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void add(const void* bytes, size_t size);
  void add(std::string_view text) { add(text.data(), text.size()); }
  /// Hexadecimal, 64 digits; called once, at the end.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// SHA-256 of a text, hexadecimal.
std::string sha256_of(std::string_view text);
/// SHA-256 of a file's content, hexadecimal. Throws E2101 if it cannot be read.
std::string sha256_of_file(const std::filesystem::path& file);
/// What changes when a file is written: inode, size, modification and change time; "" if there is no such file.
std::string stamp_of(const std::filesystem::path& file);

/// Content of a set of input files.
struct InputHashes {
  std::string digest;  ///< over relative names and contents
  Json files;          ///< {relative name: sha256}; empty for sets of more than 64 files
};
/// Hashes files named relative to `folder`; remembered in `memory` (a folder) by inode, size and times, so that a second
/// call reads no content unless it is to `verify`. Throws E2101.
InputHashes hash_inputs(const std::vector<std::filesystem::path>& files, const std::filesystem::path& folder,
                        const std::filesystem::path& memory, bool verify = false);

}  // namespace espalier
