#include "espalier/data/inputs.h"

#include "espalier/data/files.h"

#include <algorithm>
#include <map>
#include <set>

namespace espalier {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMany = 1024;   ///< files, above which folders vouch for them
constexpr size_t kRare = 64;     ///< files of one ending that are looked at one by one
constexpr size_t kFolders = 4096;

void add_subfolders(std::set<fs::path>& out, const fs::path& folder, bool recursive) {
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    if (out.size() > kFolders) return;
    if (entry.is_directory(none) && out.insert(entry.path()).second && recursive) add_subfolders(out, entry.path(), true);
  }
}

/// Absolute, without dots and without a slash at its end.
fs::path whole(const fs::path& path) {
  const fs::path out = (fs::current_path() / path).lexically_normal();
  return out.has_filename() ? out : out.parent_path();
}

bool lies_in(const fs::path& path, const fs::path& folder) {
  return path == folder || path.native().starts_with(folder.native() + "/");
}

/// Every folder in which a new file or folder could change the list: those of the files, those below what the files have in
/// common, and those on the way there with what they hold.
std::set<fs::path> folders_of(const std::vector<fs::path>& files, const fs::path& root) {
  std::set<fs::path> given;
  for (const fs::path& file : files) given.insert(file.parent_path());
  std::set<fs::path> out;
  for (const fs::path& folder : given) out.insert(whole(folder));
  fs::path top = *out.begin();
  while (top.has_relative_path() && !std::ranges::all_of(out, [&](const fs::path& folder) { return lies_in(folder, top); }))
    top = top.parent_path();
  out.insert(top);
  add_subfolders(out, top, true);
  while (top != root && lies_in(top, root)) {
    top = top.parent_path();
    out.insert(top);
    add_subfolders(out, top, false);
  }
  return out;
}

std::vector<fs::path> rare_files(const std::vector<fs::path>& files) {
  std::map<std::string, size_t> count;
  for (const fs::path& file : files) ++count[file.extension().native()];
  std::vector<fs::path> out;
  std::ranges::copy_if(files, std::back_inserter(out), [&](const fs::path& file) { return count[file.extension().native()] <= kRare; });
  return out;
}

Json stamps_of(const std::set<fs::path>& folders, const std::vector<fs::path>& files) {
  Json out = Json::object();
  for (const fs::path& folder : folders) out[folder.native()] = stamp_of(folder);
  for (const fs::path& file : files) out[whole(file).native()] = stamp_of(file);
  return out;
}

bool all_as_remembered(const Json& stamps) {
  for (const auto& [path, stamp] : stamps.items())
    if (stamp != Json(stamp_of(path))) return false;
  return true;
}

}  // namespace

InputHashes known_inputs(const InputQuestion& question) {
  const fs::path root = whole(question.folder);
  const Json asked = {{"asked", question.asked}, {"folder", root.native()}};
  const fs::path remembered = question.memory / ("folders-" + sha256_of(asked.dump()).substr(0, 32) + ".json");
  if (!question.verify)
    if (const Json old = read_json_file(remembered); old.is_object() && all_as_remembered(old.at("stamps")))
      return {.digest = old.at("digest"), .files = Json::object()};
  std::vector<fs::path> files = question.list();
  if (files.size() <= kMany) return hash_inputs(files, question.folder, question.memory, question.verify);
  // Listed again after the folders were looked at: what changes from here on changes a stamp.
  const std::set<fs::path> folders = folders_of(files, root);
  files = question.list();
  const Json stamps = stamps_of(folders, rare_files(files));
  InputHashes out = hash_inputs(files, question.folder, question.memory, question.verify);
  if (folders.size() <= kFolders) remember_in_file(remembered, Json{{"stamps", stamps}, {"digest", out.digest}}.dump());
  return out;
}

}  // namespace espalier
