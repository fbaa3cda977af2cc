#include "espalier/data/fetch.h"

#include "espalier/data/files.h"
#include "espalier/data/hash.h"
#include "espalier/data/source.h"
#include "espalier/error.h"

#include <archive.h>
#include <archive_entry.h>
#include <curl/curl.h>
#include <openssl/evp.h>

#include <array>
#include <cstdio>
#include <memory>
#include <set>

namespace espalier {
namespace fs = std::filesystem;
namespace {

/// The name inside the archive without its first folders; "" for what is to be skipped.
fs::path stripped(const fs::path& name, int strip) {
  fs::path out;
  int n = 0;
  for (const fs::path& part : name.lexically_normal()) {
    // An archive must not write outside its folder.
    if (part == ".." || part.has_root_directory()) return {};
    if (n++ >= strip) out /= part;
  }
  return out;
}

void write_entry(archive* in, const fs::path& file, const std::string& archive_name) {
  fs::create_directories(file.parent_path());
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(std::fopen(file.c_str(), "wb"), std::fclose);
  require(out != nullptr, "E2402", "cannot write '" + file.string() + "'");
  const void* block = nullptr;
  size_t size = 0;
  la_int64_t offset = 0;
  int code = ARCHIVE_OK;
  while ((code = archive_read_data_block(in, &block, &size, &offset)) == ARCHIVE_OK)
    require(std::fseek(out.get(), offset, SEEK_SET) == 0 && std::fwrite(block, 1, size, out.get()) == size, "E2402",
            "cannot write '" + file.string() + "' (is the disk full?)");
  require(code == ARCHIVE_EOF, "E2402", "'" + archive_name + "' is damaged at '" + file.filename().string() + "'");
}

size_t write_to_file(char* bytes, size_t size, size_t count, void* file) {
  return std::fwrite(bytes, size, count, static_cast<std::FILE*>(file));
}

int report(void* progress, curl_off_t total, curl_off_t now, curl_off_t, curl_off_t) {
  const auto& tell = *static_cast<const Progress*>(progress);
  if (tell && total > 0) tell("downloading", static_cast<double>(now) / static_cast<double>(total));
  return 0;
}

/// Appends to `part` what it lacks. Not every server can go on in the middle, and a part may be of another file: false says
/// that only a fresh start can help. Throws E2401.
bool go_on(const std::string& url, const fs::path& part, const Progress& progress) {
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
  require(curl != nullptr, "E2401", "libcurl is not available");
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(std::fopen(part.c_str(), "ab"), std::fclose);
  require(out != nullptr, "E2401", "cannot write '" + part.string() + "'");
  const auto begin = static_cast<curl_off_t>(fs::file_size(part));
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT, 30L);
  curl_easy_setopt(curl.get(), CURLOPT_RESUME_FROM_LARGE, begin);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &write_to_file);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, out.get());
  curl_easy_setopt(curl.get(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, &report);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFODATA, static_cast<const void*>(&progress));
  const CURLcode code = curl_easy_perform(curl.get());
  constexpr long kNoSuchRange = 416;
  long answer = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &answer);
  if (begin > 0 && (code == CURLE_RANGE_ERROR || answer == kNoSuchRange)) return false;
  if (code != CURLE_OK)
    fail("E2401", "cannot download '" + url + "': " + curl_easy_strerror(code), "try again to go on, or give a local copy: --from FOLDER");
  require(std::fflush(out.get()) == 0, "E2401", "cannot write '" + part.string() + "' (is the disk full?)");
  return true;
}

/// Downloads to `file`; a part from an earlier try is gone on with.
void download(const std::string& url, const fs::path& file, const Progress& progress) {
  if (fs::exists(file)) return;
  const fs::path part = file.string() + ".part";
  if (!go_on(url, part, progress)) {
    fs::remove(part);
    go_on(url, part, progress);
  }
  publish(part, file);
}

/// Compares what was downloaded with the publisher's MD5, where the description gives it.
void check_md5(const fs::path& file, const Json& about) {
  if (!about.contains("md5")) return;
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> hash(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  const Descriptor in = open_to_read(file);
  const Mapping bytes(in, fs::file_size(file), false);
  std::array<unsigned char, 16> digest{};
  const bool done = EVP_DigestInit_ex(hash.get(), EVP_md5(), nullptr) == 1 &&
                    EVP_DigestUpdate(hash.get(), bytes.bytes(), bytes.size()) == 1 &&
                    EVP_DigestFinal_ex(hash.get(), digest.data(), nullptr) == 1;
  std::string found;
  for (const unsigned char byte : digest) {
    found += "0123456789abcdef"[byte >> 4];
    found += "0123456789abcdef"[byte & 15];
  }
  if (done && found == about.at("md5").get<std::string>()) return;
  fs::remove(file);
  fail("E2104", "'" + file.filename().string() + "' came with MD5 " + found + ", not " + about.at("md5").get<std::string>() + "; it is removed");
}

std::string archive_name(const Json& archive) {
  return archive.value("name", fs::path(archive.value("url", "")).filename().string());
}

/// Copies the description's files from a folder that has them all; false if it lacks one.
bool copy_files(const Json& description, const fs::path& from, const fs::path& to) {
  for (const Json& file : description.at("files"))
    if (!fs::exists(from / file.at("name").get<std::string>())) return false;
  fs::copy(from, to, fs::copy_options::recursive | fs::copy_options::skip_existing);
  return true;
}

/// Takes an archive, unpacked folders or plain files from where the user says.
void take_from(const Json& description, const fs::path& from, const fs::path& to, const std::string& dataset) {
  std::vector<std::string> names;
  for (const Json& archive : description.value("archives", Json::array())) {
    const std::string name = archive_name(archive);
    names.push_back(name);
    const fs::path file = fs::is_directory(from) ? from / name : from;
    if (file.filename() != name || !fs::is_regular_file(file)) continue;
    unpack(file, to, archive.value("strip", 0));
    return;
  }
  if (fs::is_directory(from)) {
    if (copy_files(description, from, to)) return;
    for (const auto& entry : fs::directory_iterator(from))
      if (entry.is_directory() && copy_files(description, entry.path(), to)) return;
  }
  for (const Json& file : description.at("files")) names.push_back(file.at("name"));
  fail("E2403", "'" + from.string() + "' holds nothing of dataset '" + dataset + "'; looked for " + join(names));
}

void download_all(const Json& description, const fs::path& to, const std::string& dataset, const Progress& progress) {
  for (const Json& archive : description.value("archives", Json::array())) {
    if (!archive.contains("url")) continue;
    const fs::path file = to / archive_name(archive);
    download(archive.at("url"), file, progress);
    check_md5(file, archive);
    unpack(file, to, archive.value("strip", 0));
    fs::remove(file);
    return;
  }
  require(description.contains("url"), "E2401", "dataset '" + dataset + "' names no address to download from");
  for (const Json& file : description.at("files")) {
    const std::string name = file.at("name");
    download(description.at("url").get<std::string>() + name, to / name, progress);
    check_md5(to / name, file);
  }
}

void verify(const Json& description, const fs::path& folder, const std::string& dataset) {
  for (const Json& file : description.at("files")) {
    const std::string name = file.at("name");
    require(fs::exists(folder / name), "E2403", "'" + name + "' of dataset '" + dataset + "' was not among what was fetched");
    if (!file.contains("sha256")) continue;
    require(sha256_of_file(folder / name) == file.at("sha256").get<std::string>(), "E2104",
            "'" + (folder / name).string() + "' is not the file that dataset '" + dataset + "' names; remove it and fetch again");
  }
}

}  // namespace

void unpack(const fs::path& archive_file, const fs::path& folder, int strip) {
  const std::unique_ptr<archive, int (*)(archive*)> in(archive_read_new(), archive_read_free);
  archive_read_support_filter_all(in.get());
  archive_read_support_format_tar(in.get());
  archive_read_support_format_zip(in.get());
  require(archive_read_open_filename(in.get(), archive_file.c_str(), 1 << 20) == ARCHIVE_OK, "E2402",
          "'" + archive_file.string() + "' is no archive");
  archive_entry* entry = nullptr;
  int code = ARCHIVE_OK;
  while ((code = archive_read_next_header(in.get(), &entry)) == ARCHIVE_OK) {
    const fs::path name = stripped(archive_entry_pathname(entry), strip);
    // Links and devices have no place in a dataset.
    if (!name.empty() && archive_entry_filetype(entry) == AE_IFREG) write_entry(in.get(), folder / name, archive_file.string());
  }
  require(code == ARCHIVE_EOF, "E2402", "'" + archive_file.string() + "' is damaged or incomplete");
}

std::vector<DatasetInfo> list_datasets(const std::vector<fs::path>& paths) {
  std::set<std::string> names;
  for (const fs::path& folder : paths) {
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(folder, none))
      if (entry.path().extension() == ".yaml") names.insert(entry.path().stem());
  }
  std::vector<DatasetInfo> out;
  for (const std::string& name : names) {
    const Json about = read_description(name, paths);
    out.push_back({.name = name, .description = about.value("description", ""), .licence = about.value("licence", ""),
                   .source = about.value("source", ""), .folder = locate(name, about)});
  }
  return out;
}

fs::path fetch_dataset(const std::string& dataset, const std::vector<fs::path>& paths, const fs::path& from, const Progress& progress) {
  const Json description = read_description(dataset, paths);
  const fs::path here = locate(dataset, description);
  if (from.empty() && !here.empty()) {
    verify(description, here, dataset);
    return here;
  }
  const fs::path folder = data_folder() / dataset;
  fs::create_directories(folder);
  if (from.empty()) download_all(description, folder, dataset, progress);
  else take_from(description, from, folder, dataset);
  verify(description, folder, dataset);
  return folder;
}

}  // namespace espalier
