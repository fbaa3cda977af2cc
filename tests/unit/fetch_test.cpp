#include "espalier/data/fetch.h"
#include "espalier/error.h"

#include "catch.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>

using namespace espalier;
namespace fs = std::filesystem;

TEST_CASE("a dataset is taken from a local folder or archive, and its content is verified") {
  std::string pattern = (fs::temp_directory_path() / "espalier-fetch-XXXXXX").string();
  REQUIRE(mkdtemp(pattern.data()) != nullptr);
  const fs::path folder = pattern;
  fs::create_directories(folder / "datasets");
  fs::create_directories(folder / "from/toy");
  std::ofstream(folder / "from/toy/a.bin") << "abc";
  std::ofstream(folder / "datasets/toy.yaml") << "reader: toy\ndescription: three letters\narchives: [{name: toy.tar.gz, strip: 1}]\n"
      "files:\n  - {name: a.bin, sha256: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad}\n";
  REQUIRE(std::system(("tar -C '" + (folder / "from").string() + "' -czf '" + (folder / "toy.tar.gz").string() + "' toy").c_str()) == 0);
  setenv("ESPALIER_DATA", (folder / "data").c_str(), 1);
  const std::vector<fs::path> paths = {folder / "datasets"};
  CHECK(list_datasets(paths).at(0).folder.empty());
  CHECK(fetch_dataset("toy", paths, folder / "toy.tar.gz") == folder / "data/toy");
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
