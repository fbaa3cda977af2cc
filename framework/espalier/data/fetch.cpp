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
#include <functional>
#include <memory>
#include <set>
#include <utility>

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

void write_entry(archive* in, const fs::path& file, const std::string& archive_name, const std::function<void()>& tell) {
  fs::create_directories(file.parent_path());
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(std::fopen(file.c_str(), "wb"), std::fclose);
  require(out != nullptr, "E2402", "cannot write '" + file.string() + "'");
  const void* block = nullptr;
  size_t size = 0;
  la_int64_t offset = 0;
  int code = ARCHIVE_OK;
  while ((code = archive_read_data_block(in, &block, &size, &offset)) == ARCHIVE_OK) {
    require(std::fseek(out.get(), offset, SEEK_SET) == 0 && std::fwrite(block, 1, size, out.get()) == size, "E2402",
            "cannot write '" + file.string() + "' (is the disk full?)");
    tell();
  }
  require(code == ARCHIVE_EOF, "E2402", "'" + archive_name + "' is damaged at '" + file.filename().string() + "'");
  require(std::fflush(out.get()) == 0, "E2402", "cannot write '" + file.string() + "' (is the disk full?)");
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
  if (code == CURLE_WRITE_ERROR) fail("E2401", "cannot write '" + part.string() + "' (is the disk full?)", "ESPALIER_DATA names another place");
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

/// Copies a folder that has all of the description's files; false if it lacks one.
bool copy_files(const Json& description, const fs::path& from, const fs::path& to) {
  for (const Json& file : description.at("files"))
    if (!fs::exists(from / file.at("name").get<std::string>())) return false;
  std::error_code failed;
  fs::copy(from, to, fs::copy_options::recursive, failed);
  require(!failed, "E2402", "cannot copy '" + from.string() + "' to '" + to.string() + "': " + failed.message() + " (is the disk full?)");
  return true;
}

/// Takes an archive, unpacked folders or plain files from where the user says.
void take_from(const Json& description, const fs::path& from, const fs::path& to, const std::string& dataset, const Progress& progress) {
  std::vector<std::string> names;
  for (const Json& archive : description.value("archives", Json::array())) {
    const std::string name = archive_name(archive);
    names.push_back(name);
    const fs::path file = fs::is_directory(from) ? from / name : from;
    if (file.filename() != name || !fs::is_regular_file(file)) continue;
    unpack(file, to, archive.value("strip", 0), progress);
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

/// Downloads into `folder`, where a later try finds what came; an archive is unpacked into `unpacked`.
void download_all(const Json& description, const fs::path& folder, const fs::path& unpacked, const std::string& dataset,
                  const Progress& progress) {
  for (const Json& archive : description.value("archives", Json::array())) {
    if (!archive.contains("url")) continue;
    const fs::path file = folder / archive_name(archive);
    download(archive.at("url"), file, progress);
    check_md5(file, archive);
    unpack(file, unpacked, archive.value("strip", 0), progress);
    fs::remove(file);
    return;
  }
  require(description.contains("url"), "E2401", "dataset '" + dataset + "' names no address to download from");
  for (const Json& file : description.at("files")) {
    const std::string name = file.at("name");
    download(description.at("url").get<std::string>() + name, folder / name, progress);
    check_md5(folder / name, file);
  }
}

/// Moves all files of `from` to the same places below `to`; those by which a dataset is known to be here come last.
void settle(const Json& description, const fs::path& from, const fs::path& to) {
  std::set<fs::path> last;
  for (const Json& file : description.at("files")) last.insert(from / file.at("name").get<std::string>());
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(from))
    if (entry.is_regular_file() && !last.contains(entry.path())) files.push_back(entry.path());
  files.insert(files.end(), last.begin(), last.end());
  for (const fs::path& file : files) {
    const fs::path target = to / file.lexically_relative(from);
    fs::create_directories(target.parent_path());
    fs::rename(file, target);
  }
}

/// Compares what lies in `folder` with the description; `remedy` ends the message about another content.
void verify(const Json& description, const fs::path& folder, const std::string& dataset, const std::string& remedy) {
  for (const Json& file : description.at("files")) {
    const std::string name = file.at("name");
    require(fs::exists(folder / name), "E2403", "'" + name + "' of dataset '" + dataset + "' was not among what was fetched");
    if (!file.contains("sha256")) continue;
    require(sha256_of_file(folder / name) == file.at("sha256").get<std::string>(), "E2104",
            "'" + name + "' is not the file that dataset '" + dataset + "' names" + remedy);
  }
}

void verify_in_place(const Json& description, const fs::path& folder, const std::string& dataset) {
  verify(description, folder, dataset, "; remove it from '" + folder.string() + "' and fetch again");
}

/// A folder for what is not yet whole; what an earlier try left there is removed, and so is what this one leaves.
class Staging {
 public:
  explicit Staging(fs::path path) : path_(std::move(path)) {
    std::error_code failed;
    fs::remove_all(path_, failed);
    fs::create_directories(path_, failed);
    if (failed) fail("E2402", "cannot make the folder '" + path_.string() + "': " + failed.message(), "ESPALIER_DATA names another place");
  }
  ~Staging() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

void unpack(const fs::path& archive_file, const fs::path& folder, int strip, const Progress& progress) {
  const std::unique_ptr<archive, int (*)(archive*)> in(archive_read_new(), archive_read_free);
  archive_read_support_filter_all(in.get());
  archive_read_support_format_tar(in.get());
  archive_read_support_format_zip(in.get());
  require(archive_read_open_filename(in.get(), archive_file.c_str(), 1 << 20) == ARCHIVE_OK, "E2402",
          "'" + archive_file.string() + "' is no archive");
  const auto whole = static_cast<double>(fs::file_size(archive_file));
  const auto tell = [&] {
    if (progress && whole > 0.0) progress("unpacking", static_cast<double>(archive_filter_bytes(in.get(), -1)) / whole);
  };
  archive_entry* entry = nullptr;
  int code = ARCHIVE_OK;
  while ((code = archive_read_next_header(in.get(), &entry)) == ARCHIVE_OK) {
    const fs::path name = stripped(archive_entry_pathname(entry), strip);
    // Links and devices have no place in a dataset.
    if (!name.empty() && archive_entry_filetype(entry) == AE_IFREG) write_entry(in.get(), folder / name, archive_file.string(), tell);
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
    verify_in_place(description, here, dataset);
    return here;
  }
  const fs::path folder = data_folder() / dataset;
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) fail("E2402", "cannot make the folder '" + folder.string() + "': " + failed.message(), "ESPALIER_DATA names another place");
  const Descriptor lock = lock_file(folder.string() + ".lock", [&] {
    if (progress) progress("waiting for another process that fetches '" + dataset + "'", 0.0);
  });
  // Whatever interrupts this: where readers look a file is whole, or it is not there.
  const Staging staging(folder.string() + ".part");
  if (from.empty()) download_all(description, folder, staging.path(), dataset, progress);
  else take_from(description, from, staging.path(), dataset, progress);
  if (!fs::is_empty(staging.path())) {
    verify(description, staging.path(), dataset, ", in what was fetched");
    settle(description, staging.path(), folder);
  } else {
    verify_in_place(description, folder, dataset);
  }
  return folder;
}

}  // namespace espalier
