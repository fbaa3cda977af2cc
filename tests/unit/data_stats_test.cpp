#include "espalier/data/files.h"
#include "espalier/data/prepare.h"
#include "espalier/data/stats.h"

#include "catch.h"

#include <unistd.h>

#include <cmath>

using namespace espalier;
namespace fs = std::filesystem;

namespace {

/// 20 grey pictures; ages 0 to 19 of which one is missing, two classes.
class Faces : public Samples {
 public:
  Faces() {
    Column age{.name = "age", .kind = ColumnKind::number, .names = {}, .shape = {}, .unit = "years"};
    Column sex{.name = "sex", .kind = ColumnKind::class_label, .names = {"<female>", "male"}};
    for (int64_t i = 0; i < 20; ++i) {
      age.numbers.push_back(i == 3 ? std::nan("") : static_cast<double>(i));
      sex.labels.push_back(i % 4 == 0 ? -1 : i % 2);
    }
    columns_ = {{.name = "image", .kind = ColumnKind::image}, age, sex};
  }
  int64_t rows() const override { return 20; }
  const std::vector<Column>& columns() const override { return columns_; }
  Picture picture(const std::string&, int64_t row) const override {
    return {.height = 2, .width = 2, .channels = 1, .pixels = std::vector<uint8_t>(4, static_cast<uint8_t>(row))};
  }
  std::string origin(int64_t row) const override { return "face " + std::to_string(row); }
  const std::vector<Rejected>& rejected() const override { return rejected_; }

 private:
  std::vector<Column> columns_;
  std::vector<Rejected> rejected_;
};

struct World {
  TemporaryFolder home;
  fs::path folder = home.path();
  ReaderType type;
  World() {
    type = {.name = "faces", .doc = "", .version = 1, .declaration = {}, .sketch = {}, .open = {}};
    type.sketch = [](const Json&, const fs::path&) -> Sketch { return {.columns = Faces().columns(), .inputs = {}}; };
    type.open = [](const Json&, const fs::path&) -> std::unique_ptr<Samples> { return std::make_unique<Faces>(); };
  }
  Preparation prepare(Json data, std::vector<std::string> used) {
    data["reader"] = "faces";
    return prepare_data({.data = data, .seed = 1, .dataset_paths = {}, .cache = folder / "cache", .pipeline_folder = folder, .used = std::move(used)},
                        [this](const std::string&) -> const ReaderType& { return type; });
  }
};

}  // namespace

TEST_CASE("only used columns, strata and groups make a row left out") {
  World world;
  const Json none = {{"test", "none"}, {"validation", "none"}};
  CHECK(read_splits(world.prepare({{"split", none}}, {"age", "image"}).splits).train.size() == 19);
  Json strata = none;
  strata["stratify"] = "sex";
  CHECK(read_splits(world.prepare({{"split", strata}}, {"age", "image"}).splits).train.size() == 14);
}

TEST_CASE("statistics count what the splits hold") {
  World world;
  const Preparation p = world.prepare({{"split", {{"test", 5}, {"validation", "none"}}}, {"take", {{"train", 10}}}}, {"image"});
  const Prepared prepared = Prepared::open(p.folder);
  const Splits splits = read_splits(p.splits);
  const Json stats = content_stats(prepared, splits);
  CHECK(stats["sizes"] == Json({{"train", 10}, {"validation", 0}, {"test", 5}}));
  REQUIRE(stats["targets"].size() == 2);
  CHECK(stats["targets"][0]["bin"] == 1.0);
  int64_t missing = 0, ages = 0;
  for (const char* split : {"train", "test"}) {
    missing += stats["targets"][0]["summary"][split]["missing"].get<int64_t>();
    for (const Json& count : stats["targets"][0]["counts"][split]) ages += count.get<int64_t>();
  }
  CHECK(ages + missing == 15);
  CHECK(content_stats(prepared, splits, {"sex"})["targets"].size() == 1);
  const std::string svg = stats_svg("a & b", stats, prepared, sample_rows(splits.train, 4));
  CHECK(svg.find("data:image/png;base64,iVBORw0KGgo") != std::string::npos);
  CHECK(svg.find("&lt;female&gt;, train") != std::string::npos);
  CHECK(svg.find("a &amp; b") != std::string::npos);
  CHECK(svg.find("<female>") == std::string::npos);
}

TEST_CASE("a sheet of views has a row a sample and a column a view, and names each") {
  const Picture tall{.height = 4, .width = 2, .channels = 3, .pixels = std::vector<uint8_t>(24, 9)};
  const ViewSheet sheet{.from = "views/<a>", .captions = {"frog", "cat & dog"}, .rows = {{tall, tall, tall}, {tall, tall, tall}}};
  const std::string svg = views_svg("mine", {sheet, sheet});
  const auto count = [&](const std::string& what) {
    size_t found = 0;
    for (size_t at = svg.find(what); at != std::string::npos; at = svg.find(what, at + 1)) ++found;
    return found;
  };
  CHECK(count("<image ") == 12);
  CHECK(count(">as it is<") == 2);
  CHECK(count(">view 2<") == 2);
  CHECK(count(">cat &amp; dog<") == 2 + 6);
  CHECK(count("views/&lt;a&gt;") == 2);
  // Pictures keep their proportions.
  CHECK(count("width=\"84\" height=\"168\"") == 12);
}
