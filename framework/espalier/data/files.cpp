#include "espalier/data/files.h"

#include "espalier/error.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

namespace espalier {
namespace {

[[noreturn]] void fail_on(const std::filesystem::path& file, const std::string& what) {
  fail("E2202", "cannot " + what + " '" + file.string() + "': " + std::strerror(errno));
}

void flush(const std::filesystem::path& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  // Some network file systems refuse to flush a folder (EINVAL); the rename is atomic there all the same.
  if (file.number() < 0 || (fsync(file.number()) != 0 && errno != EINVAL)) fail_on(path, "flush");
}

}  // namespace

Descriptor::~Descriptor() {
  if (number_ >= 0) close(number_);
}
Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(number_, other.number_);
  return *this;
}

Mapping::Mapping(const Descriptor& file, size_t size, bool writable) : size_(size) {
  if (size == 0) return;
  void* start = mmap(nullptr, size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, file.number(), 0);
  require(start != MAP_FAILED, "E2202", std::string("cannot map a file: ") + std::strerror(errno));
  bytes_ = static_cast<unsigned char*>(start);
}
Mapping::~Mapping() {
  if (bytes_ != nullptr) munmap(bytes_, size_);
}
Mapping::Mapping(Mapping&& other) noexcept
    : bytes_(std::exchange(other.bytes_, nullptr)), size_(std::exchange(other.size_, 0)) {}
Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  std::swap(size_, other.size_);
  return *this;
}

Descriptor open_to_read(const std::filesystem::path& file) {
  Descriptor out(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (out.number() < 0) fail_on(file, "open");
  return out;
}

Descriptor lock_file(const std::filesystem::path& file, const std::function<void()>& waits) {
  Descriptor out(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (out.number() < 0) fail_on(file, "open");
  if (flock(out.number(), LOCK_EX | LOCK_NB) == 0) return out;
  if (errno == EWOULDBLOCK && waits) waits();
  while (flock(out.number(), LOCK_EX) != 0)
    if (errno != EINTR) fail_on(file, "lock");
  return out;
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "espalier-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) fail_on(name, "make the folder");
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::filesystem::path temporary_name(const std::filesystem::path& file) {
  static std::atomic<unsigned> count{0};  // two threads of one process may write beside the same file
  std::array<char, 64> host{};
  gethostname(host.data(), host.size() - 1);
  return file.string() + ".tmp." + host.data() + "." + std::to_string(getpid()) + "." + std::to_string(count++);
}

void publish(const std::filesystem::path& temporary, const std::filesystem::path& file) {
  flush(temporary);
  if (std::rename(temporary.c_str(), file.c_str()) != 0) fail_on(file, "rename to");
  flush(file.parent_path().empty() ? "." : file.parent_path());
}

void write_whole(const std::filesystem::path& file, const std::function<void(const std::filesystem::path&)>& make) {
  const std::filesystem::path temporary = temporary_name(file);
  try {
    make(temporary);
    publish(temporary, file);
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw;
  }
}

void write_file_safely(const std::filesystem::path& file, const std::string& text) {
  write_whole(file, [&](const std::filesystem::path& temporary) {
    std::ofstream out(temporary, std::ios::binary);
    out << text;
    out.close();
    if (!out) fail_on(file, "write");
  });
}

void remember_in_file(const std::filesystem::path& file, const std::string& text) {
  std::error_code ignored;
  std::filesystem::create_directories(file.parent_path(), ignored);
  try {
    write_file_safely(file, text);
  } catch (const Error&) {
  }
}

std::string read_text_file(const std::filesystem::path& file) {
  const std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  if (in) out << in.rdbuf();
  return out.str();
}

Json read_json_file(const std::filesystem::path& file) {
  Json out = Json::parse(read_text_file(file), nullptr, false);
  return out.is_discarded() ? Json() : out;
}

}  // namespace espalier
