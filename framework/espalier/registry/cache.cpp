#include "espalier/registry/cache.h"

#include "espalier/plugin.h"

#include <openssl/evp.h>

#include <cstdlib>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

namespace espalier {

namespace {

std::filesystem::path cache_file() {
  constexpr const char* kName = "registry-v1.json";
  if (const char* folder = std::getenv("ESPALIER_CACHE"); folder != nullptr && *folder != '\0')
    return std::filesystem::path(folder) / kName;
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
    return std::filesystem::path(home) / ".cache" / "espalier" / kName;
  return {};
}

/// What changes whenever a file's content may have.
Json stamp(const std::filesystem::path& path) {
  struct stat s {};
  if (stat(path.c_str(), &s) != 0) return {};
  const auto nanoseconds = [](const timespec& t) { return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; };
  return {s.st_ino, s.st_size, nanoseconds(s.st_mtim), nanoseconds(s.st_ctim)};
}

/// Refusals depend on who refuses.
std::string host() { return std::to_string(kApiVersion) + " " + build_string(); }

Json empty_document() { return {{"host", host()}, {"files", Json::object()}, {"contents", Json::object()}}; }

}  // namespace

std::string sha256_hex(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr);
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (unsigned int i = 0; i < size; ++i) {
    out += kDigits[digest[i] >> 4];
    out += kDigits[digest[i] & 15];
  }
  return out;
}

RegistryCache::RegistryCache() : file_(cache_file()), document_(empty_document()) {
  std::ifstream in(file_, std::ios::binary);
  if (!in) return;
  Json read = Json::parse(in, nullptr, false);
  const bool usable = read.is_object() && read.value("host", Json()) == host() && read.contains("files") &&
                      read["files"].is_object() && read.contains("contents") && read["contents"].is_object();
  if (usable) document_ = std::move(read);
}

void RegistryCache::save() const {
  if (!changed_ || file_.empty()) return;
  std::error_code ignored;
  std::filesystem::create_directories(file_.parent_path(), ignored);
  std::filesystem::path fresh = file_;
  fresh += "." + std::to_string(getpid());
  {
    std::ofstream out(fresh, std::ios::binary);
    out << document_.dump();
    if (!out.flush()) return;
  }
  std::filesystem::rename(fresh, file_, ignored);
  if (ignored) std::filesystem::remove(fresh, ignored);
}

std::string RegistryCache::known_hash(const std::filesystem::path& path) const {
  const auto found = document_["files"].find(path.string());
  if (found == document_["files"].end() || !found->is_array() || found->size() != 2 || found->at(0) != stamp(path)) return "";
  return found->at(1).is_string() ? found->at(1).get<std::string>() : "";
}

void RegistryCache::remember_file(const std::filesystem::path& path, const std::string& sha256) {
  document_["files"][path.string()] = Json::array({stamp(path), sha256});
  changed_ = true;
}

const Json* RegistryCache::content(const std::string& sha256) const {
  const auto found = document_["contents"].find(sha256);
  return found == document_["contents"].end() ? nullptr : &*found;
}

void RegistryCache::remember_content(const std::string& sha256, Json known) {
  document_["contents"][sha256] = std::move(known);
  changed_ = true;
}

}  // namespace espalier
