#include "espalier/data/files.h"
#include "espalier/data/picture.h"
#include "espalier/data/prepare.h"
#include "espalier/data/prepared.h"
#include "espalier/error.h"

#include "catch.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <thread>

using namespace espalier;
namespace fs = std::filesystem;

namespace {

/// 60 rows: a 2 x 2 picture whose pixels are the row, three classes, twenty persons, every tenth picture broken.
class ToySamples : public Samples {
 public:
  explicit ToySamples(bool given) {
    Column label{.name = "label", .kind = ColumnKind::class_label, .names = {"a", "b", "c"}};
    Column age{.name = "age", .kind = ColumnKind::number, .names = {}, .shape = {}, .unit = "years"};
    Column smiles{.name = "smiles", .kind = ColumnKind::number, .names = {}, .shape = {}, .unit = "boolean"};
    Column person{.name = "person", .kind = ColumnKind::id};
    Column split{.name = "split", .kind = ColumnKind::class_label, .names = {"train", "test"}};
    for (int64_t i = 0; i < 60; ++i) {
      label.labels.push_back(i % 3);
      age.numbers.push_back(i == 7 ? std::nan("") : static_cast<double>(i));
      smiles.numbers.push_back(i % 2 == 0 ? 1.0 : 0.0);
      person.ids.push_back("person " + std::to_string(i / 3));
      split.labels.push_back(i < 40 ? 0 : 1);
    }
    columns_ = {{.name = "image", .kind = ColumnKind::image}, label, age, smiles, person};
    if (given) columns_.push_back(split);
  }
  int64_t rows() const override { return 60; }
  const std::vector<Column>& columns() const override { return columns_; }
  Picture picture(const std::string&, int64_t row) const override {
    if (row % 10 == 9) throw Rejected{"truncated picture", origin(row)};
    return {.height = 2, .width = 2, .channels = 1, .pixels = std::vector<uint8_t>(4, static_cast<uint8_t>(row))};
  }
  std::string origin(int64_t row) const override { return "toy:" + std::to_string(row); }
  const std::vector<Rejected>& rejected() const override { return rejected_; }

 private:
  std::vector<Column> columns_;
  std::vector<Rejected> rejected_ = {{"impossible date", "toy:60"}};
};

struct World {
  TemporaryFolder home;
  fs::path folder = home.path();
  std::atomic<int> opened{0};
  ReaderType type;
  FindReader readers = [this](const std::string&) -> const ReaderType& { return type; };

  World() {
    write("one");
    type = {.name = "toy", .doc = "", .version = 1, .declaration = {}, .sketch = {}, .open = {}};
    type.sketch = [this](const Json& settings, const fs::path&) -> Sketch {
      return {.columns = ToySamples(settings.contains("given")).columns(), .inputs = {folder / "input"}};
    };
    type.open = [this](const Json& settings, const fs::path&) -> std::unique_ptr<Samples> {
      ++opened;
      return std::make_unique<ToySamples>(settings.contains("given"));
    };
  }
  void write(const std::string& text) const { std::ofstream(folder / "input") << text; }
  DataRequest request(Json data) const {
    if (!data.contains("reader")) data["reader"] = "toy";
    return {.data = std::move(data), .seed = 1, .dataset_paths = {}, .cache = folder / "cache", .pipeline_folder = folder};
  }
  Splits splits(const Json& data) {
    const Preparation p = prepare_data(request(data), readers);
    return read_splits(p.splits);
  }
};

std::string problem_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    return e.problems()[0].code + " " + e.problems()[0].message;
  }
  return "no error";
}

/// What `work` says in a process of its own, which may give up rights and gets limits; how it died if it did.
std::string in_child(const std::function<std::string()>& work) {
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  const pid_t child = fork();
  if (child == 0) {
    const std::string said = work();
    if (write(ends[1], said.data(), said.size()) < 0) _exit(1);
    std::exit(0);  // with all that libraries do at the end
  }
  close(ends[1]);
  std::string out;
  std::array<char, 4096> piece{};
  for (ssize_t n = 0; (n = read(ends[0], piece.data(), piece.size())) > 0;) out.append(piece.data(), static_cast<size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? "died of signal " + std::to_string(WTERMSIG(status)) : out;
}

const Json kHalves = {{"split", {{"test", 0.5}, {"validation", "none"}}}};

}  // namespace

TEST_CASE("samples are prepared once, with what could not be read counted by cause") {
  World world;
  const Preparation first = prepare_data(world.request(kHalves), world.readers);
  CHECK(first.built);
  CHECK(first.reason == "never prepared before");
  const Preparation second = prepare_data(world.request(kHalves), world.readers);
  CHECK_FALSE(second.built);
  CHECK(world.opened == 1);
  CHECK(second.key == first.key);
  REQUIRE(first.left_out.size() == 2);
  CHECK(first.left_out[0] == Json({{"cause", "impossible date"}, {"count", 1}, {"examples", {"toy:60"}}}));
  CHECK(first.left_out[1]["count"] == 6);
  const Prepared data = Prepared::open(first.folder);
  CHECK(data.rows() == 54);
  CHECK(data.column("image").shape == Shape{2, 2, 1});
  for (int64_t row = 0; row < data.rows(); ++row) {
    const int64_t source = row + row / 9;
    CHECK(data.column("image").as<uint8_t>()[row * 4 + 3] == source);
    CHECK(data.column("label").as<int64_t>()[row] == source % 3);
    CHECK(data.text(data.column("person"), row) == "person " + std::to_string(source / 3));
    CHECK(data.origin(row) == "toy:" + std::to_string(source));
  }
  CHECK(std::isnan(data.column("age").as<float>()[7]));
  CHECK(reinterpret_cast<uintptr_t>(data.column("image").values) % 4096 == 0);
  CHECK(reinterpret_cast<uintptr_t>(data.column("label").values) % 8 == 0);
  CHECK(problem_of([&] { data.column("lable"); }).starts_with("E2205"));
}

TEST_CASE("the key follows contents, settings and steps, and nothing else") {
  World world;
  const std::string key = prepare_data(world.request(kHalves), world.readers).key;
  Json other = kHalves;
  other["split"]["test"] = 0.25;
  CHECK(prepare_data(world.request(other), world.readers).key == key);
  CHECK(prepare_data(world.request(other), world.readers).splits_key != prepare_data(world.request(kHalves), world.readers).splits_key);
  other["prepare"] = Json::array({"rgb"});
  const Preparation steps = prepare_data(world.request(other), world.readers);
  CHECK(steps.key != key);
  CHECK(steps.reason == "prepare differs from the nearest cache");
  CHECK(Prepared::open(steps.folder).column("image").shape == Shape{2, 2, 3});
  world.write("two!");
  const Preparation why = explain_data(world.request(kHalves), world.readers);
  CHECK(why.built);
  CHECK(why.reason == "inputs differs from the nearest cache");
  CHECK(prepare_data(world.request(kHalves), world.readers).key != key);
  world.type.version = 2;
  CHECK(prepare_data(world.request(kHalves), world.readers).reason == "reader_version differs from the nearest cache");
}

TEST_CASE("a damaged cache is refused, set aside and built again") {
  World world;
  const Preparation first = prepare_data(world.request(kHalves), world.readers);
  const fs::path file = first.folder / "data.h5";
  fs::permissions(file, fs::perms::owner_write, fs::perm_options::add);
  std::fstream(file, std::ios::in | std::ios::out | std::ios::binary).seekp(4100).put('x');
  CHECK(problem_of([&] { Prepared::open(first.folder); }).starts_with("E2201"));
  const Preparation again = prepare_data(world.request(kHalves), world.readers);
  CHECK(again.built);
  CHECK(again.reason.find("set aside") != std::string::npos);
  CHECK(Prepared::open(again.folder).rows() == 54);
  CHECK(std::any_of(fs::directory_iterator(first.folder), fs::directory_iterator(),
                    [](const auto& e) { return e.path().filename().string().starts_with("data.h5.corrupt-"); }));
}

TEST_CASE("a lost manifest and a damaged split file are made again, and said") {
  World world;
  const Preparation first = prepare_data(world.request(kHalves), world.readers);
  std::ofstream(first.folder / "manifest.json", std::ios::trunc);
  const Preparation again = prepare_data(world.request(kHalves), world.readers);
  CHECK(again.built);
  CHECK(again.reason == "its manifest was lost or damaged");
  const std::vector<int64_t> rows = read_splits(first.splits).test;
  fs::resize_file(first.splits, 100);
  const Preparation third = prepare_data(world.request(kHalves), world.readers);
  CHECK_FALSE(third.built);
  CHECK(third.reason == "the split file was damaged and is written again");
  CHECK(read_splits(third.splits).test == rows);
}

TEST_CASE("what an interrupted builder left is removed by the next one") {
  World world;
  const Preparation first = prepare_data(world.request(kHalves), world.readers);
  fs::remove(first.folder / "data.h5");
  const fs::path leftover = first.folder / "data.h5.tmp.host.1.0";
  std::ofstream(leftover) << "half";
  prepare_data(world.request(kHalves), world.readers);
  CHECK_FALSE(fs::exists(leftover));
}

TEST_CASE("a disk that fills while the cache is written is an error, and nothing is left of it") {
  World world;
  Json large = kHalves;
  large["prepare"] = Json::array({{{"resize", {{"size", {64, 64}}}}}});
  const DataRequest request = world.request(large);
  // As on a full disk: of a file this long nothing more is written.
  const Progress fill = [](const std::string& what, double) {
    const rlimit little{100000, 100000};
    if (what == "writing the cache") setrlimit(RLIMIT_FSIZE, &little);
  };
  const std::string said = in_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    return problem_of([&] { prepare_data(request, world.readers, fill); });
  });
  CHECK(said == "E2201 cannot write column 'image' (is the disk full?)");
  const Preparation why = explain_data(request, world.readers);
  CHECK(why.built);
  CHECK(fs::is_empty(why.folder));
}

TEST_CASE("a cache that cannot be written serves what it holds, and says so for the rest") {
  World world;
  prepare_data(world.request(kHalves), world.readers);
  fs::permissions(world.folder, fs::perms::others_read | fs::perms::others_exec, fs::perm_options::add);
  fs::permissions(world.folder / "cache", fs::perms::owner_write, fs::perm_options::remove);
  const auto as_plain_user = [&](const Json& data) {
    return in_child([&]() -> std::string {
      constexpr uid_t kNobody = 65534;
      if (geteuid() == 0 && (setresgid(kNobody, kNobody, kNobody) != 0 || setresuid(kNobody, kNobody, kNobody) != 0)) return "still root";
      return problem_of([&] { prepare_data(world.request(data), world.readers); });
    });
  };
  CHECK(as_plain_user(kHalves) == "no error");
  Json other = kHalves;
  other["split"]["test"] = 0.25;
  CHECK(as_plain_user(other).starts_with("E2202 splits must be drawn, and the cache folder '"));
  other["prepare"] = Json::array({"rgb"});
  CHECK(as_plain_user(other).starts_with("E2202 the data must be prepared (prepare differs from the nearest cache), and the cache folder '"));
  fs::permissions(world.folder / "cache", fs::perms::owner_write, fs::perm_options::add);
}

TEST_CASE("of many builders one builds") {
  World world;
  {
    std::vector<std::jthread> builders;
    for (int i = 0; i < 4; ++i) builders.emplace_back([&] { prepare_data(world.request(kHalves), world.readers); });
  }
  CHECK(world.opened == 1);
}

TEST_CASE("splits share nothing, follow the seed and keep the classes' proportions") {
  World world;
  const Json data = {{"split", {{"test", 0.2}, {"validation", 12}, {"stratify", "label"}}}};
  const Splits s = world.splits(data);
  CHECK(s.test.size() == 11);
  CHECK(s.validation.size() == 12);
  std::set<int64_t> all(s.train.begin(), s.train.end());
  all.insert(s.validation.begin(), s.validation.end());
  all.insert(s.test.begin(), s.test.end());
  CHECK(all.size() == s.train.size() + s.validation.size() + s.test.size());
  CHECK(all.size() == 54);
  CHECK(world.splits(data).test == s.test);
  Json other = data;
  other["seed"] = 2;
  CHECK(world.splits(other).test != s.test);
  const Prepared prepared = Prepared::open(prepare_data(world.request(data), world.readers).folder);
  std::map<int64_t, int> classes;
  for (const int64_t row : s.validation) ++classes[prepared.column("label").as<int64_t>()[row]];
  for (const auto& [label, count] : classes) CHECK(std::abs(count - 4) <= 1);
}

TEST_CASE("no person stands on two sides") {
  World world;
  const Json data = {{"split", {{"test", 0.3}, {"validation", 0.3}, {"group", "person"}}}};
  const Splits s = world.splits(data);
  CHECK(s.test.size() >= 14);
  CHECK(s.test.size() <= 18);
  const Prepared prepared = Prepared::open(prepare_data(world.request(data), world.readers).folder);
  std::map<std::string, std::set<int>> sides;
  auto note = [&](const std::vector<int64_t>& rows, int side) {
    for (const int64_t row : rows) sides[prepared.text(prepared.column("person"), row)].insert(side);
  };
  note(s.train, 0);
  note(s.validation, 1);
  note(s.test, 2);
  for (const auto& [person, where] : sides) CHECK(where.size() == 1);
}

TEST_CASE("where leaves rows out by cause, given splits are kept, take draws") {
  World world;
  Json data = {{"reader", {{"toy", {{"given", true}}}}}, {"where", {"not smiles", "age >= 5"}}, {"take", {{"train", 10}, {"test", 3}}},
               {"split", {{"validation", 0.2}}}};
  const Preparation p = prepare_data(world.request(data), world.readers);
  const Splits s = read_splits(p.splits);
  CHECK(s.test.size() == 3);
  CHECK(s.validation.size() == 2);
  CHECK(s.train.size() == 8);
  const Prepared prepared = Prepared::open(p.folder);
  for (const int64_t row : s.train) {
    CHECK(prepared.column("smiles").as<float>()[row] == 0.0F);
    CHECK(prepared.column("age").as<float>()[row] >= 5.0F);
    CHECK(prepared.column("split").as<int64_t>()[row] == 0);
  }
  CHECK(p.left_out[2]["cause"] == "not true: not smiles");
  CHECK(p.left_out[3]["cause"] == "not true: age >= 5");
  data["where"] = {"aeg > 5"};
  CHECK(problem_of([&] { prepare_data(world.request(data), world.readers); }).starts_with("E0412"));
}

TEST_CASE("rows without a value in a used column are left out, or filled") {
  World world;
  DataRequest request = world.request(kHalves);
  request.used = {"age"};
  const Splits s = read_splits(prepare_data(request, world.readers).splits);
  CHECK(s.train.size() + s.test.size() == 53);
  request.data["columns"] = {{"age", {{"number", {{"missing", -1}}}}}};
  const Preparation filled = prepare_data(request, world.readers);
  CHECK(Prepared::open(filled.folder).column("age").as<float>()[7] == -1.0F);
}

TEST_CASE("a broken picture takes its row away where it is used, and nowhere else") {
  World world;
  DataRequest request = world.request(kHalves);
  request.used = {"label"};
  request.images.emplace();
  const Preparation labels = prepare_data(request, world.readers);
  CHECK(Prepared::open(labels.folder).rows() == 60);
  CHECK(labels.left_out.size() == 1);
  CHECK(problem_of([&] { Prepared::open(labels.folder).column("image"); }).starts_with("E2205"));
  request.images->emplace_back("image");
  const Preparation pictures = prepare_data(request, world.readers);
  CHECK(pictures.reason == "images differs from the nearest cache");
  CHECK(Prepared::open(pictures.folder).rows() == 54);
}

TEST_CASE("a column may be called anything that a table's header says") {
  World world;
  world.type.open = [](const Json&, const fs::path&) -> std::unique_ptr<Samples> {
    class Named : public ToySamples {
     public:
      Named() : ToySamples(false), columns_(ToySamples::columns()) {
        const std::vector<std::string> names = {"source", "a/b", "%2F", "."};
        for (size_t i = 0; i < names.size(); ++i) columns_[i + 1].name = names[i];
      }
      const std::vector<Column>& columns() const override { return columns_; }

     private:
      std::vector<Column> columns_;
    };
    return std::make_unique<Named>();
  };
  const Prepared data = Prepared::open(prepare_data(world.request(kHalves), world.readers).folder);
  CHECK(data.column("source").as<int64_t>()[1] == 1);
  CHECK(data.column("a/b").as<float>()[2] == 2.0F);
  CHECK(data.column("%2F").as<float>()[2] == 1.0F);
  CHECK(data.text(data.column("."), 3) == "person 1");
  CHECK(data.origin(1) == "toy:1");
}

TEST_CASE("what cannot be done is said with its code") {
  World world;
  CHECK(problem_of([&] { world.splits(Json::object()); }) == "E0412 data.split.test is needed: the data have no test split of their own");
  CHECK(problem_of([&] { world.splits({{"split", {{"test", 100}}}}); }).starts_with("E2301"));
  CHECK(problem_of([&] { world.splits({{"split", {{"test", 0.5}}}, {"strict", true}}); }).starts_with("E2102"));
  CHECK(problem_of([&] { world.splits({{"split", {{"test", 0.5}}}, {"prepare", {"gray"}}}); }).starts_with("E0413"));
  CHECK(problem_of([&] { world.splits({{"columns", {{"x", {{"number", {{"field", "agee"}}}}}}}}); }).starts_with("E0412"));
  CHECK(problem_of([&] { world.splits({{"reader", "toy"}, {"dataset", "cifar10"}}); }).starts_with("E0410"));
}

TEST_CASE("pictures are resampled without a shift and keep their brightness") {
  Picture p{.height = 8, .width = 8, .channels = 1, .pixels = std::vector<uint8_t>(64)};
  for (size_t i = 0; i < 64; ++i) p.pixels[i] = static_cast<uint8_t>(10 * (i % 8));
  const Picture half = resized(p, 4, 4);
  CHECK(half.pixels[1] == Approx(25).margin(1));
  CHECK(half.pixels[2] == Approx(45).margin(1));
  const Picture wide = resized(half, 4, 8);
  CHECK(wide.pixels.size() == 32);
  const Picture red{.height = 1, .width = 1, .channels = 3, .pixels = {255, 0, 0}};
  CHECK(to_grey(red).pixels == std::vector<uint8_t>{76});
  CHECK(shape_after(prepare_steps({"grey", {{"resize", {{"size", {128, 96}}}}}}), {}) == Shape{1, 128, 96});
}
