// Readers on small made-up files.
#include "espalier/data/files.h"
#include "espalier/error.h"

#include "catch.h"
#include "plugin_reader.h"

#include <cmath>
#include <fstream>
#include <map>

using namespace espalier;
namespace fs = std::filesystem;

namespace {

const ReaderType& load(const std::string& name) {
  const ReaderType* out = reader_of_plugin(name);
  REQUIRE(out != nullptr);
  return *out;
}

struct Folder {
  TemporaryFolder home;
  fs::path path = home.path();
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((path / name).parent_path());
    std::ofstream(path / name, std::ios::binary) << text;
  }
};

std::string record(char label, char value) { return std::string(1, label) + std::string(3072, value); }

}  // namespace

TEST_CASE("CIFAR records become interleaved pictures, and half a record is refused") {
  const Folder folder;
  const Json settings = {{"train", {"a.bin"}}, {"test", {"b.bin"}}};
  folder.write("a.bin", record(3, 1) + std::string(1, 4) + std::string(1024, 7) + std::string(1024, 8) + std::string(1024, 9));
  folder.write("b.bin", record(9, 2));
  const auto samples = load("cifar").open(settings, folder.path);
  REQUIRE(samples->rows() == 3);
  CHECK(samples->columns()[1].labels == std::vector<int64_t>{3, 4, 9});
  CHECK(samples->columns()[2].labels == std::vector<int64_t>{0, 0, 1});
  const Picture p = samples->picture("image", 1);
  CHECK(std::vector<uint8_t>(p.pixels.begin(), p.pixels.begin() + 4) == std::vector<uint8_t>{7, 8, 9, 7});
  CHECK(samples->origin(2) == "b.bin:0");
  folder.write("b.bin", record(9, 2) + "x");
  CHECK_THROWS_AS(load("cifar").open(settings, folder.path), Error);
  folder.write("b.bin", record(10, 2));
  CHECK_THROWS_AS(load("cifar").open(settings, folder.path), Error);
}

TEST_CASE("IDX files are read plain, and a short one is refused") {
  const Folder folder;
  const std::string images("\0\0\x08\x03\0\0\0\x02\0\0\0\x01\0\0\0\x02" "abcd", 20);
  const std::string labels("\0\0\x08\x01\0\0\0\x02\x01\0", 10);
  const Json settings = {{"train_images", "i"}, {"train_labels", "l"}, {"test_images", ""}};
  folder.write("i", images);
  folder.write("l", labels);
  const auto samples = load("idx").open(settings, folder.path);
  CHECK(samples->rows() == 2);
  CHECK(samples->picture("image", 1).pixels == std::vector<uint8_t>{'c', 'd'});
  CHECK(samples->columns()[1].labels == std::vector<int64_t>{1, 0});
  folder.write("i", images.substr(0, 19));
  CHECK_THROWS_AS(load("idx").open(settings, folder.path), Error);
}

TEST_CASE("a table's columns are numbers, texts or pictures by what they hold") {
  const Folder folder;
  folder.write("t.csv", "name,price,front\n\"a, \"\"b\"\"\",1.5,x.jpg\nc,,y.jpg\nshort,1\n");
  folder.write("y.jpg", "no picture");
  const auto samples = load("csv_images").open({{"file", "t.csv"}}, folder.path);
  REQUIRE(samples->rows() == 2);
  CHECK(samples->columns()[0].ids.at(0) == "a, \"b\"");
  CHECK(samples->columns()[1].numbers.at(0) == 1.5);
  CHECK(samples->columns()[1].numbers.at(1) != samples->columns()[1].numbers.at(1));
  CHECK(samples->columns()[2].kind == ColumnKind::image);
  CHECK(samples->rejected().at(0).cause == "wrong number of fields");
  for (const auto& [row, cause] : std::map<int64_t, std::string>{{0, "missing file"}, {1, "neither JPEG nor PNG"}}) {
    try {
      samples->picture("front", row);
      FAIL("a broken picture was decoded");
    } catch (const Rejected& rejected) {
      CHECK(rejected.cause == cause);
    }
  }
}

TEST_CASE("empty CIFAR files and longer IDX files are refused") {
  const Folder folder;
  folder.write("a.bin", record(3, 1));
  folder.write("b.bin", "");
  CHECK_THROWS_AS(load("cifar").open({{"train", {"a.bin"}}, {"test", {"b.bin"}}}, folder.path), Error);
  folder.write("i", std::string("\0\0\x08\x03\0\0\0\x01\0\0\0\x01\0\0\0\x02" "abc", 19));
  folder.write("l", std::string("\0\0\x08\x01\0\0\0\x01\0", 9));
  const Json settings = {{"train_images", "i"}, {"train_labels", "l"}, {"test_images", ""}};
  CHECK_THROWS_AS(load("idx").open(settings, folder.path), Error);
  folder.write("i", std::string("\0\0\x08\x03\0\0\0\x01\0\0\0\x01\0\0\0\x02" "ab", 18));
  CHECK(load("idx").open(settings, folder.path)->columns().at(2).names == std::vector<std::string>{"train"});
}

TEST_CASE("blanks, line ends, empty fields and unnamed fields of a table mean what they look like") {
  const Folder folder;
  folder.write("t.csv", "\xEF\xBB\xBF,kind , a/b\r\n0, cat ,1 \r\n\r\n1,,2\r\n2,\" dog\" ,\r\n3,\"two\nlines\",4\r\n4,cat\r\n");
  const auto samples = load("csv_images").open({{"file", "t.csv"}}, folder.path);
  REQUIRE(samples->rows() == 4);
  const std::vector<Column>& columns = samples->columns();
  CHECK(columns.at(0).name == "field_1");
  CHECK(columns.at(1).name == "kind");
  CHECK(columns.at(1).ids == std::vector<std::string>{"cat", "", " dog", "two\nlines"});
  CHECK(columns.at(2).numbers.at(1) == 2.0);
  CHECK(std::isnan(columns.at(2).numbers.at(2)));
  CHECK(samples->origin(3) == "t.csv:6");
  CHECK(samples->rejected().at(0).detail == "t.csv:8");
  folder.write("t.csv", "a,a\n1,2\n");
  CHECK_THROWS_AS(load("csv_images").open({{"file", "t.csv"}}, folder.path), Error);
}

TEST_CASE("a picture of another format among a table's pictures is left out, and a column of splits is obeyed") {
  const Folder folder;
  folder.write("t.csv", "front,split\na.jpg,train\nb.gif,test\nc.png,\n");
  folder.write("b.gif", "GIF89a and so on");
  const auto samples = load("csv_images").open({{"file", "t.csv"}}, folder.path);
  CHECK(samples->columns().at(0).kind == ColumnKind::image);
  CHECK(samples->columns().at(1).names == std::vector<std::string>{"train", "test"});
  CHECK(samples->columns().at(1).labels == std::vector<int64_t>{0, 1, -1});
  try {
    samples->picture("front", 1);
    FAIL("a GIF was decoded");
  } catch (const Rejected& rejected) {
    CHECK(rejected.cause == "neither JPEG nor PNG");
  }
}
