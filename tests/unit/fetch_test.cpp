#include "espalier/data/fetch.h"
#include "espalier/data/files.h"
#include "espalier/error.h"

#include "catch.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>

using namespace espalier;
namespace fs = std::filesystem;

namespace {

/// Serves one content by HTTP, from any byte on if it is `ranged`; ends with the object.
class Server {
 public:
  Server(std::string content, bool ranged) : content_(std::move(content)), ranged_(ranged), socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    REQUIRE(bind(socket_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(listen(socket_, 8) == 0);
    REQUIRE(getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/";
    thread_ = std::jthread([this] {
      for (int peer = -1; (peer = accept(socket_, nullptr, nullptr)) >= 0; close(peer)) answer(peer);
    });
  }
  ~Server() {
    shutdown(socket_, SHUT_RDWR);
    thread_.join();
    close(socket_);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  const std::string& url() const { return url_; }
  /// Bytes of content that went out.
  size_t sent() const { return sent_; }

 private:
  void answer(int peer) {
    std::string request;
    char c = 0;
    while (!request.ends_with("\r\n\r\n") && read(peer, &c, 1) == 1) request += c;
    const size_t range = request.find("Range: bytes=");
    const size_t begin = ranged_ && range != std::string::npos ? std::stoul(request.substr(range + 13)) : 0;
    std::string reply = "HTTP/1.1 416 Range Not Satisfiable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    if (begin < content_.size()) {
      reply = begin == 0 ? "HTTP/1.1 200 OK\r\n"
                         : "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes " + std::to_string(begin) + "-" +
                               std::to_string(content_.size() - 1) + "/" + std::to_string(content_.size()) + "\r\n";
      reply += "Connection: close\r\nContent-Length: " + std::to_string(content_.size() - begin) + "\r\n\r\n" + content_.substr(begin);
      sent_ += content_.size() - begin;
    }
    // A client that wants no more closes first.
    send(peer, reply.data(), reply.size(), MSG_NOSIGNAL);
  }

  std::string content_;
  bool ranged_;
  int socket_;
  std::string url_;
  std::atomic<size_t> sent_{0};
  std::jthread thread_;
};

struct Folder {
  TemporaryFolder home;
  fs::path path = home.path();
  std::vector<fs::path> descriptions;
  explicit Folder(const std::string& url) {
    descriptions = {path / "datasets"};
    fs::create_directories(path / "datasets");
    fs::create_directories(path / "data/toy");
    std::ofstream(path / "datasets/toy.yaml") << "reader: toy\nurl: '" << url << "'\nfiles:\n"
        "  - {name: a.bin, sha256: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad}\n";
    setenv("ESPALIER_DATA", (path / "data").c_str(), 1);
  }
  void leave_part(const std::string& text) const { std::ofstream(path / "data/toy/a.bin.part") << text; }
};

}  // namespace

TEST_CASE("a download that was cut short goes on where it ended") {
  const Server server("abc", true);
  const Folder folder(server.url());
  folder.leave_part("a");
  fetch_dataset("toy", folder.descriptions);
  CHECK(server.sent() == 2);
  CHECK(fs::file_size(folder.path / "data/toy/a.bin") == 3);
}

TEST_CASE("a download starts afresh where the server cannot go on") {
  for (const bool ranged : {false, true}) {
    const Server server("abc", ranged);
    const Folder folder(server.url());
    folder.leave_part(ranged ? "abc" : "a");
    fetch_dataset("toy", folder.descriptions);
    CHECK(fs::file_size(folder.path / "data/toy/a.bin") == 3);
  }
}

TEST_CASE("a download of another content is refused") {
  const Server server("abd", true);
  const Folder folder(server.url());
  // Also once it lies where it belongs.
  for (int i = 0; i < 2; ++i) {
    try {
      fetch_dataset("toy", folder.descriptions);
      FAIL("another content was taken");
    } catch (const Error& error) {
      CHECK(error.problems()[0].code == "E2104");
    }
  }
}

TEST_CASE("a dataset is taken from a local folder or archive, and its content is verified") {
  const TemporaryFolder home;
  const fs::path& folder = home.path();
  fs::create_directories(folder / "datasets");
  fs::create_directories(folder / "from/toy");
  std::ofstream(folder / "from/toy/a.bin") << "abc";
  std::ofstream(folder / "datasets/toy.yaml") << "reader: toy\ndescription: three letters\narchives: [{name: toy.tar.gz, strip: 1}]\n"
      "files:\n  - {name: a.bin, sha256: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad}\n";
  REQUIRE(std::system(("tar -C '" + (folder / "from").string() + "' -czf '" + (folder / "toy.tar.gz").string() + "' toy").c_str()) == 0);
  setenv("ESPALIER_DATA", (folder / "data").c_str(), 1);
  const std::vector<fs::path> paths = {folder / "datasets"};
  CHECK(list_datasets(paths).at(0).folder.empty());
  std::string told;
  const Progress progress = [&](const std::string& what, double fraction) {
    told = what;
    CHECK((fraction > 0.0 && fraction <= 1.0));
  };
  CHECK(fetch_dataset("toy", paths, folder / "toy.tar.gz", progress) == folder / "data/toy");
  CHECK(told == "unpacking");
  CHECK(fs::file_size(folder / "data/toy/a.bin") == 3);
  CHECK(list_datasets(paths).at(0).folder == folder / "data/toy");
  fs::remove_all(folder / "data");
  CHECK(fetch_dataset("toy", paths, folder / "from") == folder / "data/toy");
  fs::remove_all(folder / "data");
  std::ofstream(folder / "from/toy/a.bin") << "abd";
  CHECK_THROWS_AS(fetch_dataset("toy", paths, folder / "from"), Error);
  CHECK_THROWS_AS(fetch_dataset("toi", paths), Error);
  fs::remove_all(folder);
}

TEST_CASE("what an interrupted fetch left behind is replaced, and nothing is where readers look before it is whole") {
  const Folder folder("http://127.0.0.1:1/");
  const fs::path from = folder.path / "from";
  const fs::path file = folder.path / "data/toy/a.bin";
  fs::create_directories(from);
  fs::create_directories(folder.path / "data/toy.part");
  std::ofstream(folder.path / "data/toy.part/b.bin") << "of an earlier try";
  std::ofstream(from / "a.bin") << "abc";
  std::ofstream(file) << "a";
  CHECK(fetch_dataset("toy", folder.descriptions, from) == file.parent_path());
  CHECK(fs::file_size(file) == 3);
  CHECK_FALSE(fs::exists(folder.path / "data/toy/b.bin"));
  CHECK_FALSE(fs::exists(folder.path / "data/toy.part"));
  // Another content is refused, and what is here stays.
  std::ofstream(from / "a.bin") << "abd";
  CHECK_THROWS_AS(fetch_dataset("toy", folder.descriptions, from), Error);
  CHECK(read_text_file(file) == "abc");
  CHECK_FALSE(fs::exists(folder.path / "data/toy.part"));
}

TEST_CASE("of an archive that is cut nothing is taken") {
  const TemporaryFolder home;
  const fs::path& folder = home.path();
  fs::create_directories(folder / "datasets");
  fs::create_directories(folder / "from");
  std::ofstream(folder / "from/a.bin") << "abc";
  std::ofstream(folder / "from/b.bin") << std::string(100000, 'b');
  std::ofstream(folder / "datasets/toy.yaml") << "reader: toy\narchives: [{name: toy.tar}]\nfiles: [{name: a.bin}, {name: b.bin}]\n";
  const fs::path archive = folder / "toy.tar";
  REQUIRE(std::system(("tar -C '" + (folder / "from").string() + "' -cf '" + archive.string() + "' a.bin b.bin").c_str()) == 0);
  fs::resize_file(archive, 50000);
  setenv("ESPALIER_DATA", (folder / "data").c_str(), 1);
  CHECK_THROWS_AS(fetch_dataset("toy", {folder / "datasets"}, archive), Error);
  CHECK(fs::is_empty(folder / "data/toy"));
}

TEST_CASE("where nothing describes a dataset, the error says so") {
  const TemporaryFolder home;
  CHECK_THROWS_WITH(fetch_dataset("toy", {home.path()}, home.path()), Catch::Contains("'toy'; no folder of datasets describes any"));
}
