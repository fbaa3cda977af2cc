// Readers with one thing wrong each: the conformance program must say what.
#include "espalier/data/files.h"
#include "espalier/error.h"
#include "espalier/testing/checks.h"

#include "catch.h"

#include <unistd.h>

#include <csignal>
#include <fstream>
#include <map>
#include <thread>

using namespace espalier;
namespace fs = std::filesystem;

namespace {

/// What is wrong with a reader; nothing by default.
struct Flaws {
  std::function<void(Sketch&)> in_sketch = [](Sketch&) {};
  std::function<void(std::vector<Column>&)> in_columns = [](std::vector<Column>&) {};
  std::function<void(Picture&)> in_picture = [](Picture&) {};
  std::function<std::string(const std::string&)> in_origin = [](const std::string& origin) { return origin; };
  std::function<void()> on_short_table = [] { fail("E2105", "the table is cut short"); };
  std::function<void(const std::string& origin)> on_broken_picture = [](const std::string& origin) { throw Rejected{"broken picture", origin}; };
};

std::vector<Column> columns_without_values() {
  return {{.name = "image", .kind = ColumnKind::image, .names = {}, .shape = {1, 2, 2}},
          {.name = "label", .kind = ColumnKind::class_label, .names = {"dark", "light"}},
          {.name = "weight", .kind = ColumnKind::number}};
}

/// table.txt says "NAME LABEL WEIGHT" a line and ends with "end"; NAME.pgm holds "grey" and four pixels.
class TableSamples : public Samples {
 public:
  TableSamples(const Flaws& flaws, fs::path folder) : flaws_(flaws), folder_(std::move(folder)), columns_(columns_without_values()) {
    std::ifstream in(folder_ / "table.txt");
    require(in.good(), "E2101", "there is no table");
    std::string name;
    while (in >> name && name != "end") {
      int64_t label = -1;
      double weight = 0.0;
      if (!(in >> label >> weight)) break;
      names_.push_back(name);
      columns_[1].labels.push_back(label);
      columns_[2].numbers.push_back(weight);
    }
    if (name != "end") flaws_.on_short_table();
    flaws_.in_columns(columns_);
  }
  int64_t rows() const override { return std::ssize(names_); }
  const std::vector<Column>& columns() const override { return columns_; }
  Picture picture(const std::string&, int64_t row) const override {
    const std::string bytes = read_text_file(folder_ / (names_[static_cast<size_t>(row)] + ".pgm"));
    const bool whole = bytes.size() == 8 && bytes.starts_with("grey");
    if (!whole) flaws_.on_broken_picture(origin(row));
    Picture out{.height = 2, .width = 2, .channels = 1, .pixels = std::vector<uint8_t>(4)};
    for (size_t i = 0; whole && i < out.pixels.size(); ++i) out.pixels[i] = static_cast<uint8_t>(bytes[4 + i]);
    flaws_.in_picture(out);
    return out;
  }
  std::string origin(int64_t row) const override { return flaws_.in_origin("table.txt:" + names_[static_cast<size_t>(row)]); }
  const std::vector<Rejected>& rejected() const override { return rejected_; }

 private:
  const Flaws& flaws_;
  fs::path folder_;
  std::vector<Column> columns_;
  std::vector<std::string> names_;
  std::vector<Rejected> rejected_;
};

/// What conformance says of a reader with these flaws, a line a sentence.
std::string judged(const Flaws& flaws) {
  const TemporaryFolder home;
  const auto write = [&](const std::string& name, const std::string& text) { std::ofstream(home.path() / name) << text; };
  write("settings.json", "{}");
  write("table.txt", "a 0 1.5\nb 1 2.5\nc 1 3.5\nend\n");
  for (const char* name : {"a", "b", "c"}) write(std::string(name) + ".pgm", std::string("grey") + name + "xyz");
  ReaderType reader{.name = "table", .doc = "a table", .version = 1, .declaration = {}, .sketch = {}, .open = {}};
  reader.sketch = [&](const Json&, const fs::path& folder) {
    Sketch out{.columns = columns_without_values(), .inputs = {folder / "table.txt"}};
    for (const char* name : {"a.pgm", "b.pgm", "c.pgm"})
      if (fs::exists(folder / name)) out.inputs.push_back(folder / name);
    flaws.in_sketch(out);
    return out;
  };
  reader.open = [&](const Json&, const fs::path& folder) -> std::unique_ptr<Samples> { return std::make_unique<TableSamples>(flaws, folder); };
  std::string out;
  for (const std::string& sentence : check_reader(reader, home.path(), std::chrono::seconds(5))) out += sentence + "\n";
  return out;
}

}  // namespace

TEST_CASE("a reader that keeps the laws passes") { CHECK(judged({}).empty()); }

TEST_CASE("a sketch that differs from what is opened is found") {
  CHECK_THAT(judged({.in_sketch = [](Sketch& s) { s.columns[1].names = {"dark", "bright"}; }}),
             Catch::Contains("sketch and open disagree: sketch has class column 'label' with names [dark, bright]"));
  CHECK_THAT(judged({.in_sketch = [](Sketch& s) { s.columns.pop_back(); }}), Catch::Contains("sketch has nothing, open has number column 'weight'"));
  CHECK_THAT(judged({.in_sketch = [](Sketch& s) { s.columns[2].kind = ColumnKind::id; }}), Catch::Contains("sketch has id column 'weight'"));
}

TEST_CASE("inputs that are not there, or none, are found") {
  CHECK_THAT(judged({.in_sketch = [](Sketch& s) { s.inputs.push_back(s.inputs[0].string() + ".gz"); }}),
             Catch::Contains("input 'table.txt.gz' of the sketch is no file"));
  CHECK_THAT(judged({.in_sketch = [](Sketch& s) { s.inputs.clear(); }}), Catch::Contains("the sketch names no input file"));
  CHECK_THAT(judged({.in_sketch = [](Sketch& s) { s.inputs.emplace_back("/etc/hostname"); }}), Catch::Contains("lies outside of the folder"));
}

TEST_CASE("columns whose values break their laws are found") {
  CHECK_THAT(judged({.in_columns = [](std::vector<Column>& c) { c[1].labels.at(1) = 2; }}),
             Catch::Contains("column 'label' has label 2; it has 2 classes"));
  CHECK_THAT(judged({.in_columns = [](std::vector<Column>& c) { c[1].labels.pop_back(); }}),
             Catch::Contains("column 'label' has 2 labels for 3 rows"));
  CHECK_THAT(judged({.in_columns = [](std::vector<Column>& c) { c[2].numbers.push_back(1.0); }}),
             Catch::Contains("column 'weight' has 4 numbers for 3 rows"));
  CHECK_THAT(judged({.in_columns = [](std::vector<Column>& c) { c[2].name = "label"; }}), Catch::Contains("there are two columns 'label'"));
}

TEST_CASE("origins that do not tell rows apart are found") {
  CHECK_THAT(judged({.in_origin = [](const std::string&) { return "table.txt"; }}), Catch::Contains("two rows come from 'table.txt'"));
  CHECK_THAT(judged({.in_origin = [](const std::string&) { return ""; }}), Catch::Contains("row 0 has no origin"));
}

TEST_CASE("pictures that break their laws are found") {
  CHECK_THAT(judged({.in_picture = [](Picture& p) { p.pixels.pop_back(); }}), Catch::Contains("has 3 values; 2 x 2 x 1 are 4"));
  CHECK_THAT(judged({.in_picture = [](Picture& p) { p.channels = 2, p.height = 1; }}), Catch::Contains("has 2 channels"));
  CHECK_THAT(judged({.in_picture = [](Picture& p) { p.height = 1, p.width = 4; }}), Catch::Contains("its column says (1, 2, 2)"));
  const std::thread::id own = std::this_thread::get_id();
  CHECK_THAT(judged({.in_picture = [own](Picture& p) { p.pixels[0] = std::this_thread::get_id() == own ? 0 : 1; }}),
             Catch::Contains("is another one when several threads decode at once"));
}

TEST_CASE("a reader that gives other samples the second time is found") {
  CHECK_THAT(judged({.in_columns = [](std::vector<Column>& c) { c[2].numbers.at(0) = getpid(); }}),
             Catch::Contains("reading it twice gives two results"));
}

TEST_CASE("what a reader does with a damaged table is found") {
  const std::string cut = "with table.txt cut to half: ";
  CHECK_THAT(judged({.on_short_table = [] { throw std::runtime_error("no more lines"); }}),
             Catch::Contains(cut + "open threw what is no espalier::Error: std::runtime_error: no more lines"));
  CHECK_THAT(judged({.on_short_table = [] { throw Rejected{"short", ""}; }}), Catch::Contains(cut + "open threw Rejected (short)"));
  CHECK_THAT(judged({.on_short_table = [] {}}), Catch::Contains(cut + "it says nothing and gives other samples"));
  CHECK_THAT(judged({.on_short_table = [] { raise(SIGSEGV); }}), Catch::Contains(cut + "crashed while it read: Segmentation fault"));
  CHECK_THAT(judged({.on_short_table = [] { _exit(3); }}), Catch::Contains(cut + "ended the process while it read, with exit code 3"));
}

TEST_CASE("a reader that never ends is found") {
  CHECK_THAT(judged({.on_short_table = [] { pause(); }}), Catch::Contains("did not end within 5 seconds while it read"));
}

TEST_CASE("a reader that claims all memory is found") {
  const auto claim = [] { std::vector<char>(size_t{1} << 40).at(0) = 1; };
  CHECK_THAT(judged({.on_short_table = claim}), Catch::Contains("open threw what is no espalier::Error: std::bad_alloc"));
}

TEST_CASE("what a reader does with a damaged picture is found") {
  const std::string emptied = "with b.pgm emptied: ";
  CHECK_THAT(judged({.on_broken_picture = [](const std::string&) {}}), Catch::Contains(emptied + "it says nothing and gives other samples"));
  CHECK_THAT(judged({.on_broken_picture = [](const std::string&) { throw Rejected{"", ""}; }}), Catch::Contains("was refused without a cause"));
  CHECK_THAT(judged({.on_broken_picture = [](const std::string&) { fail("E2105", "broken"); }}), Catch::Contains("threw what is no Rejected"));
}

TEST_CASE("an example without settings is a sentence, not an end") {
  const TemporaryFolder home;
  ReaderType reader{.name = "table", .doc = "a table", .version = 1, .declaration = {}, .sketch = {}, .open = {}};
  reader.open = [](const Json&, const fs::path&) -> std::unique_ptr<Samples> { fail("E2101", "nothing there"); };
  CHECK_THAT(check_reader(reader, home.path()).at(0), Catch::Contains("settings.json' is no JSON object of the reader's settings"));
}
