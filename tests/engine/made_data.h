#pragma once

#include "espalier/json.h"

#include <filesystem>

namespace espalier::test {

/// Writes a cache of 120 grey pictures of 8 x 8 and their splits (80, 20, 20) into `folder`: class "left" or "right" says
/// which half is bright, "brightness" is a number near the mean of the picture. Returns a trial's "data".
Json make_data(const std::filesystem::path& folder);

/// A folder of its own, removed at the end.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace espalier::test
