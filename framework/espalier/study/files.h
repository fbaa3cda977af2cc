#pragma once

#include "espalier/json.h"
#include "espalier/pipeline/pipeline.h"

#include <filesystem>
#include <string>

namespace espalier {

/// Keeps two processes from running one study at a time, until destroyed. Throws E3020.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_ = -1;
};

/// Replaces a file as a whole: after a crash it is the old one or the new one. Throws E3021.
void write_file(const std::filesystem::path& file, const std::string& text);
/// As `write_file`, from another file.
void copy_whole(const std::filesystem::path& from, const std::filesystem::path& to);

/// JSON as block YAML; the origin of a value, where known, stands behind it as a comment.
std::string to_yaml(const Json& value, const std::map<std::string, Origin>& origins = {});

/// What a study's results rest on besides the pipeline: data, plugins, versions.
Json lock_document(const Pipeline& pipeline, const Registry& registry, const Preparation& data);

/// The part of a resolved pipeline that makes the study what it is: without budget, run and notes.
Json identity(const Json& resolved);

/// The folder of a trial below the study's: "trials/0012".
std::string trial_folder(int64_t number);

}  // namespace espalier
