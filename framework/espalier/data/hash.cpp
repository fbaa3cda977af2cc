#include "espalier/data/hash.h"

#include "espalier/data/files.h"
#include "espalier/error.h"

#include <openssl/evp.h>

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace espalier {

struct Sha256::State {
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  require(state_->context && EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) == 1, "E2203",
          "SHA-256 is not available");
}
Sha256::~Sha256() = default;

void Sha256::add(const void* bytes, size_t size) {
  require(EVP_DigestUpdate(state_->context.get(), bytes, size) == 1, "E2203", "SHA-256 failed");
}

std::string Sha256::hex() {
  std::array<unsigned char, 32> digest{};
  require(EVP_DigestFinal_ex(state_->context.get(), digest.data(), nullptr) == 1, "E2203", "SHA-256 failed");
  std::string out;
  for (const unsigned char byte : digest) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

std::string sha256_of(std::string_view text) {
  Sha256 hash;
  hash.add(text);
  return hash.hex();
}

std::string sha256_of_file(const std::filesystem::path& file) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in(std::fopen(file.c_str(), "rb"), std::fclose);
  require(in != nullptr, "E2101", "cannot read '" + file.string() + "'");
  std::vector<char> buffer(1 << 20);
  Sha256 hash;
  for (size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), in.get())) > 0;) hash.add(buffer.data(), n);
  require(std::ferror(in.get()) == 0, "E2101", "cannot read '" + file.string() + "' to its end");
  return hash.hex();
}

std::string stamp_of(const std::filesystem::path& file) {
  struct stat s = {};
  if (stat(file.c_str(), &s) != 0) return "";
  auto time = [](const timespec& t) { return std::to_string(t.tv_sec) + "." + std::to_string(t.tv_nsec); };
  return std::to_string(s.st_dev) + ":" + std::to_string(s.st_ino) + ":" + std::to_string(s.st_size) + ":" + time(s.st_mtim) +
         ":" + time(s.st_ctim);
}

InputHashes hash_inputs(const std::vector<std::filesystem::path>& files, const std::filesystem::path& folder,
                        const std::filesystem::path& memory, bool verify) {
  constexpr size_t kNamed = 64;
  Sha256 names;
  Sha256 stamps;
  for (const auto& file : files) {
    const std::string stamp = stamp_of(file);
    require(!stamp.empty(), "E2101", "there is no file '" + file.string() + "'");
    names.add(file.native());
    names.add("\n");
    stamps.add(file.native());
    stamps.add(stamp);
  }
  const std::filesystem::path remembered = memory / (names.hex().substr(0, 32) + ".json");
  const std::string stamp = stamps.hex();
  if (const Json old = read_json_file(remembered); !verify && old.is_object() && old.value("stamp", "") == stamp)
    return {.digest = old.value("digest", ""), .files = old.value("files", Json::object())};
  InputHashes out{.digest = {}, .files = Json::object()};
  Sha256 content;
  for (const auto& file : files) {
    const std::string name = file.lexically_relative(folder).generic_string();
    const std::string hash = sha256_of_file(file);
    content.add(name + " " + hash + "\n");
    if (files.size() <= kNamed) out.files[name] = hash;
  }
  out.digest = content.hex();
  remember_in_file(remembered, Json{{"stamp", stamp}, {"digest", out.digest}, {"files", out.files}}.dump());
  return out;
}

}  // namespace espalier
