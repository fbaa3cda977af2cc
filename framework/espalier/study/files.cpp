#include "espalier/study/files.h"

#include "espalier/error.h"
#include "espalier/pipeline/pretrained.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

namespace espalier {

namespace {

bool is_plain(const std::string& word) {
  static const std::set<std::string> kMeaning{"true", "false", "yes", "no", "on", "off", "null", "y", "n"};
  if (word.empty() || kMeaning.contains(word)) return false;
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return letter(word[0]) && std::ranges::all_of(word, [&](char c) {
           return letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '/';
         });
}

std::string scalar(const Json& value) {
  // Quoted JSON is valid YAML; words that need no quotes go without.
  if (value.is_string() && is_plain(value.get<std::string>())) return value.get<std::string>();
  return value.dump();
}

bool is_flat(const Json& value) {
  return !value.is_structured() || value.empty() ||
         (value.is_array() && std::ranges::all_of(value, [](const Json& item) { return !item.is_structured(); }));
}

std::string flat(const Json& value) {
  if (!value.is_array() || value.empty()) return scalar(value);
  std::string out;
  for (const Json& item : value) out += (out.empty() ? "[" : ", ") + scalar(item);
  return out + "]";
}

/// Writes keys or items at `depth`; `lead` stands before the first line ("- " of an item is written by its parent).
void emit(std::string& out, const Json& value, size_t depth, const std::string& path,
          const std::map<std::string, Origin>& origins, bool inline_first = false) {
  const std::string indent(2 * depth, ' ');
  const auto one = [&](const std::string& head, const Json& item, const std::string& item_path) {
    out += inline_first ? head : indent + head;
    inline_first = false;
    const auto origin = origins.find(item_path);
    const std::string comment = origin == origins.end() ? "" : "  # " + origin->second.source;
    if (is_flat(item)) {
      out += " " + flat(item) + comment + "\n";
    } else if (head == "-") {
      out += " ";
      emit(out, item, depth + 1, item_path, origins, true);
    } else {
      out += comment + "\n";
      emit(out, item, depth + 1, item_path, origins);
    }
  };
  if (value.is_object()) {
    for (const auto& [name, item] : value.items()) one(scalar(name) + ":", item, path.empty() ? name : path + "." + name);
  } else {
    for (size_t i = 0; i < value.size(); ++i) one("-", value[i], fmt::format("{}.{}", path, i));
  }
}

/// Every word of a document that could name a plugin.
void collect_words(const Json& value, std::set<std::string>& words) {
  if (value.is_string()) words.insert(value.get<std::string>());
  if (value.is_object())
    for (const auto& [name, item] : value.items()) words.insert(name), collect_words(item, words);
  if (value.is_array())
    for (const Json& item : value) collect_words(item, words);
}

void write_all(int descriptor, const std::string& text, const std::filesystem::path& file) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t n = write(descriptor, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("E3021", fmt::format("cannot write '{}': {}", file.string(), std::strerror(errno)));
    done += static_cast<size_t>(n);
  }
}

}  // namespace

FolderLock::FolderLock(const std::filesystem::path& folder) {
  descriptor_ = open((folder / ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  require(descriptor_ >= 0, "E3021", fmt::format("cannot write in '{}': {}", folder.string(), std::strerror(errno)));
  // Children of one that was killed a moment ago may hold it until they are dead, too.
  constexpr int kTries = 20;
  for (int i = 0; i < kTries; ++i) {
    if (flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(25));
  }
  close(descriptor_);
  fail("E3020", fmt::format("the study in '{}' is being run by another process", folder.string()), "wait for it or end it");
}
FolderLock::~FolderLock() { close(descriptor_); }

void write_file(const std::filesystem::path& file, const std::string& text) {
  const std::filesystem::path temporary = file.string() + ".part";
  const int descriptor = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  require(descriptor >= 0, "E3021", fmt::format("cannot write '{}': {}", file.string(), std::strerror(errno)));
  try {
    write_all(descriptor, text, file);
  } catch (...) {
    close(descriptor);
    unlink(temporary.c_str());
    throw;
  }
  const bool flushed = fsync(descriptor) == 0;
  const bool closed = close(descriptor) == 0;
  if (!flushed || !closed || rename(temporary.c_str(), file.c_str()) != 0)
    fail("E3021", fmt::format("cannot write '{}': {}", file.string(), std::strerror(errno)));
}

void copy_whole(const std::filesystem::path& from, const std::filesystem::path& to) {
  const std::filesystem::path temporary = to.string() + ".part";
  std::error_code error;
  std::filesystem::copy_file(from, temporary, std::filesystem::copy_options::overwrite_existing, error);
  if (!error) std::filesystem::rename(temporary, to, error);
  if (error) fail("E3021", fmt::format("cannot copy '{}' to '{}': {}", from.string(), to.string(), error.message()));
}

std::string to_yaml(const Json& value, const std::map<std::string, Origin>& origins) {
  if (is_flat(value)) return flat(value) + "\n";
  std::string out;
  emit(out, value, 0, "", origins);
  return out;
}

Json lock_document(const Pipeline& pipeline, const Registry& registry, const Preparation& data) {
  std::set<std::string> words;
  collect_words(pipeline.resolved, words);
  words.insert({pipeline.search.tuner, pipeline.search.scheduler});
  Json plugins = Json::object();
  for (const Provided& provided : registry.provided())
    if (words.contains(provided.name)) plugins[provided.library.filename().string()] = provided.library_sha256;
  Json lock = {{"format", 1}, {"sdk", kApiVersion}, {"plugins", plugins}, {"data", {{"cache", data.key}, {"splits", data.splits_key}}}};
  if (const Json weights = weights_hashes(pipeline); !weights.empty()) lock["weights"] = weights;
  return lock;
}

Json identity(const Json& resolved) {
  Json out = Json::object();
  for (const char* name : {"data", "graph", "train", "search", "seed"})
    if (const auto found = resolved.find(name); found != resolved.end()) out[name] = *found;
  if (out.contains("search") && out["search"].is_object()) out["search"].erase("budget");
  return out;
}

std::string trial_folder(int64_t number) { return fmt::format("trials/{:04}", number); }

}  // namespace espalier
