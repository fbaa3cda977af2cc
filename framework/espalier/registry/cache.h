#pragma once

#include "espalier/json.h"

#include <filesystem>
#include <string>
#include <string_view>

namespace espalier {

/// SHA-256 in hexadecimal.
std::string sha256_hex(std::string_view bytes);

/// What is known of libraries from earlier runs: `files` says which content a path has as long as its inode, size and
/// times stay, `contents` what a content declares or why it is refused.
class RegistryCache {
 public:
  /// Reads $ESPALIER_CACHE/registry-v1.json or ~/.cache/espalier/registry-v1.json; empty where it is absent, damaged or
  /// of another build of espalier.
  RegistryCache();
  /// Replaces the file in one step if something was learnt; a cache that cannot be written is no error.
  void save() const;

  /// The content's hash if the file is known and unchanged, else "".
  std::string known_hash(const std::filesystem::path& path) const;
  void remember_file(const std::filesystem::path& path, const std::string& sha256);
  /// What is known of a content, or nullptr: {"declares": [...]} or {"refused": [code, text, hint]}.
  const Json* content(const std::string& sha256) const;
  void remember_content(const std::string& sha256, Json known);

 private:
  std::filesystem::path file_;
  Json document_;
  bool changed_ = false;
};

}  // namespace espalier
