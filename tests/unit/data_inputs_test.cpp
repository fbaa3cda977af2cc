#include "espalier/data/files.h"
#include "espalier/data/inputs.h"
#include "espalier/error.h"

#include "catch.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>

using namespace espalier;
namespace fs = std::filesystem;

namespace {

void write(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

/// 1100 pictures in two folders, a list beside them and an empty folder.
struct Tree {
  TemporaryFolder home;
  fs::path folder = home.path();
  int lists = 0;
  Tree() {
    for (int i = 0; i < 1100; ++i) write(folder / "data" / (i % 2 == 0 ? "a" : "b") / (std::to_string(i) + ".jpg"), std::to_string(i));
    write(folder / "data/list.csv", "list");
    fs::create_directories(folder / "data/empty");
  }
  std::string digest(bool verify = false) {
    const auto list = [this] {
      ++lists;
      std::vector<fs::path> out;
      for (const auto& entry : fs::recursive_directory_iterator(folder / "data"))
        if (entry.is_regular_file()) out.push_back(entry.path());
      std::sort(out.begin(), out.end());
      return out;
    };
    return known_inputs({.asked = "toy", .folder = folder / "data", .memory = folder / "memory", .verify = verify, .list = list}).digest;
  }
};

}  // namespace

TEST_CASE("many inputs are known again without being listed") {
  Tree tree;
  const std::string first = tree.digest();
  const int lists = tree.lists;
  CHECK(tree.digest() == first);
  CHECK(tree.lists == lists);
}

TEST_CASE("of many inputs a new, replaced or removed one is noticed, and so is a changed list") {
  Tree tree;
  const std::string first = tree.digest();
  write(tree.folder / "data/list.csv", "other");
  const std::string listed = tree.digest();
  CHECK(listed != first);
  write(tree.folder / "data/empty/new.jpg", "new");
  const std::string added = tree.digest();
  CHECK(added != listed);
  write(tree.folder / "other.jpg", "replaced");
  fs::rename(tree.folder / "other.jpg", tree.folder / "data/a/0.jpg");
  const std::string replaced = tree.digest();
  CHECK(replaced != added);
  fs::remove(tree.folder / "data/a/0.jpg");
  CHECK(tree.digest() != replaced);
}

TEST_CASE("a picture rewritten in place among many is found by verifying") {
  Tree tree;
  const std::string first = tree.digest();
  write(tree.folder / "data/a/0.jpg", "rewritten");
  const std::string verified = tree.digest(true);
  CHECK(verified != first);
  CHECK(tree.digest() == verified);
}
