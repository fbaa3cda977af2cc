#include "catch.h"

#include "espalier/registry/cache.h"
#include "espalier/registry/declaration.h"
#include "espalier/registry/elf.h"
#include "espalier/registry/registry.h"

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <unistd.h>

using namespace espalier;
namespace fs = std::filesystem;

namespace {

/// A folder of its own that is the cache as well, removed at the end.
struct Folder {
  fs::path path;
  explicit Folder(const std::string& name) : path(fs::temp_directory_path() / (name + std::to_string(getpid()))) {
    fs::remove_all(path);
    fs::create_directories(path / "plugins");
    setenv("ESPALIER_CACHE", (path / "cache").c_str(), 1);
  }
  ~Folder() { fs::remove_all(path); }
  fs::path plugins() const { return path / "plugins"; }
};

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

void write(const fs::path& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

fs::path own_plugins() { return Registry::default_paths().back(); }
fs::path dense() { return own_plugins() / "dense.so"; }

std::string code_of(const std::string& bytes) {
  const auto refusal = inspect_bytes(bytes);
  return refusal ? refusal->code : "";
}

}  // namespace

TEST_CASE("a plugin is found by name, with its declaration, and opened on use") {
  const Folder folder("espalier-registry-a");
  fs::copy_file(dense(), folder.plugins() / "dense.so");
  const Registry registry = Registry::scan({folder.plugins()});
  REQUIRE(registry.refused().empty());
  const Provided* provided = registry.find(PluginKind::block, "dense");
  REQUIRE(provided != nullptr);
  CHECK(provided->library.filename() == "dense.so");
  CHECK(provided->library_sha256 == sha256_hex(read(dense())));
  REQUIRE(provided->declaration.size() == 4);
  CHECK(provided->declaration[0].name == "units");
  CHECK(provided->declaration[0].fallback == 64);
  CHECK(provided->declaration[0].domain.most == 65536);
  CHECK(registry.block("dense").build);
}

TEST_CASE("an unknown name is told with the nearest and all names") {
  const Folder folder("espalier-registry-b");
  fs::copy_file(dense(), folder.plugins() / "dense.so");
  const Registry registry = Registry::scan({folder.plugins()});
  try {
    registry.block("dens");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.problems().front().code == "E0304");
    CHECK(error.problems().front().message == "unknown block 'dens'");
    CHECK(error.problems().front().hint == "did you mean 'dense'?");
    CHECK(error.problems().front().notes.front() == "blocks: dense");
  }
}

TEST_CASE("a second scan takes everything from the cache and opens nothing") {
  const Folder folder("espalier-registry-c");
  fs::copy_file(dense(), folder.plugins() / "dense.so");
  const Registry first = Registry::scan({folder.plugins()});
  // What the cache says is believed as long as the file is the same: a changed doc shows that nothing else was read.
  const fs::path cache = folder.path / "cache" / "registry-v1.json";
  std::string document = read(cache);
  const std::string doc = first.find(PluginKind::block, "dense")->doc;
  document.replace(document.find(doc), doc.size(), "from the cache");
  write(cache, document);
  CHECK(Registry::scan({folder.plugins()}).find(PluginKind::block, "dense")->doc == "from the cache");
  // Touched, but of equal content: looked at again, found by its hash.
  fs::last_write_time(folder.plugins() / "dense.so", fs::file_time_type::clock::now());
  CHECK(Registry::scan({folder.plugins()}).find(PluginKind::block, "dense")->doc == "from the cache");
  // A damaged cache is as good as none.
  write(cache, "{\"host\": 1");
  CHECK(Registry::scan({folder.plugins()}).find(PluginKind::block, "dense")->doc == doc);
}

TEST_CASE("a cache of another build of espalier is not believed") {
  const Folder folder("espalier-registry-d");
  write(folder.plugins() / "junk.so", "no library");
  CHECK(Registry::scan({folder.plugins()}).refused().size() == 1);
  const fs::path cache = folder.path / "cache" / "registry-v1.json";
  Json document = Json::parse(read(cache));
  REQUIRE(document["contents"].size() == 1);
  document["contents"].begin().value() = {{"declares", Json::array()}};
  write(cache, document.dump());
  CHECK(Registry::scan({folder.plugins()}).refused().empty());
  document["host"] = "another";
  write(cache, document.dump());
  CHECK(Registry::scan({folder.plugins()}).refused().size() == 1);
}

TEST_CASE("two libraries with one name: the first wins, the second is told where") {
  const Folder folder("espalier-registry-e");
  fs::create_directories(folder.path / "more");
  fs::copy_file(dense(), folder.plugins() / "dense.so");
  fs::copy_file(dense(), folder.path / "more" / "same.so");
  // Equal content is no conflict: the same plugins, installed twice.
  CHECK(Registry::scan({folder.plugins(), folder.path / "more"}).refused().empty());
  write(folder.path / "more" / "other.so", read(dense()) + "x");
  const Registry registry = Registry::scan({folder.plugins(), folder.path / "more"});
  REQUIRE(registry.refused().size() == 1);
  CHECK(registry.refused()[0].problem.code == "E1008");
  CHECK(registry.refused()[0].problem.message ==
        "other.so provides block 'dense', which comes from " + (folder.plugins() / "dense.so").string() + " already");
  CHECK(registry.find(PluginKind::block, "dense")->library == folder.plugins() / "dense.so");
}

TEST_CASE("a library is judged by its bytes before any of its code runs") {
  const std::string good = read(dense());
  REQUIRE(code_of(good).empty());
  CHECK(code_of("") == "E1002");
  CHECK(code_of("#!/bin/sh\n") == "E1002");
  for (const size_t size : {size_t{20}, size_t{100}, good.size() / 4, good.size() / 2, good.size() - 1})
    CHECK(code_of(good.substr(0, size)) == "E1002");
  std::string other_machine = good;
  other_machine[18] = 40;  // e_machine: ARM
  CHECK(inspect_bytes(other_machine)->text.starts_with("is a library for another machine (ELF machine 40"));

  const size_t header = good.find(std::string("ESPALIER") + static_cast<char>(sizeof(EspalierPluginHeader)));
  REQUIRE(header != std::string::npos);
  std::string newer = good;
  const uint32_t api = 2 * kApiVersion;
  newer.replace(header + 12, sizeof(api), reinterpret_cast<const char*>(&api), sizeof(api));
  CHECK(code_of(newer) == "E1003");
  CHECK(to_problem(*inspect_bytes(newer), "conv.so").message == "conv.so was built for espalier plugin API 2.0; this is 1.0; rebuild it");
  std::string other_build = good;
  other_build[header + 16] = 'L';
  CHECK(code_of(other_build) == "E1004");
  std::string no_magic = good;
  no_magic[header] = 'X';
  CHECK(code_of(no_magic) == "E1001");
}

TEST_CASE("damaged libraries are refused or accepted, never read beyond their end") {
  const std::string good = read(dense());
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = good;
    for (int k = 0; k < 4; ++k) {
      // Half of the damage hits the file's own tables.
      const int64_t range = k % 2 == 0 ? 1024 : std::ssize(damaged);
      damaged[static_cast<size_t>(random.below(range))] = static_cast<char>(random.below(256));
    }
    inspect_bytes(damaged);
  }
  SUCCEED();
}

TEST_CASE("declarations survive JSON, lists and choices too") {
  SettingType item{.name = "item", .type = Type::choice, .fallback = {}, .doc = "one item", .options = {"a", "b"}, .kind = "block"};
  const Declaration before = {{.name = "rate",
                               .type = Type::number,
                               .fallback = 0.1,
                               .domain = {.from = 0.001, .to = 1.0, .log = true, .step = 10.0, .least = 0.0},
                               .doc = "d"},
                              {.name = "word", .type = Type::word, .fallback = "x", .domain = one_of("x", "y"), .doc = "d"},
                              {.name = "parts", .type = Type::list, .fallback = Json::array({{{"a", Json::object()}}}), .doc = "d", .item = {item}}};
  const Declaration after = declaration_from_json(Json::parse(to_json(before).dump()));
  REQUIRE(after.size() == 3);
  CHECK(to_json(after) == to_json(before));
  CHECK(after[0].domain.log);
  CHECK(after[0].domain.step == 10.0);
  CHECK_FALSE(after[0].domain.most.has_value());
  CHECK(after[2].item.at(0).options == std::vector<std::string>{"a", "b"});
  CHECK(after[2].item.at(0).kind == "block");
}

TEST_CASE("a value is legal or the law is told") {
  const SettingType units{.name = "units", .type = Type::integer, .fallback = 16, .domain = one_of(16, 32), .doc = "d"};
  CHECK(why_illegal(units, 32).empty());
  CHECK(why_illegal(units, 33) == "33 is not among 16, 32");
  CHECK(why_illegal(units, 16.5) == "16.5 is not a whole number");
  const SettingType rate{.name = "rate", .type = Type::number, .fallback = 0.1, .domain = between(0.0, 0.5).within(0.0, 0.9), .doc = "d"};
  CHECK(why_illegal(rate, 0.8).empty());
  CHECK(why_illegal(rate, 1) == "1 is above 0.9");
  CHECK(why_illegal(rate, Json(std::nan(""))).ends_with("is not a finite number"));
}

TEST_CASE("wrong declarations are named") {
  const auto why = [](const std::string& name, const std::string& doc, const Declaration& settings) {
    return why_badly_declared({{.kind = PluginKind::block, .name = name, .doc = doc, .declaration = settings, .library = {}, .library_sha256 = {}}});
  };
  const SettingType good{.name = "a", .type = Type::integer, .fallback = 1, .domain = between(1, 3), .doc = "d"};
  CHECK(why("conv", "d", {good}).empty());
  CHECK(why("Conv", "d", {}) == "block 'Conv': the name is not snake_case");
  CHECK(why("conv", "", {}) == "block 'conv': it has no doc");
  CHECK(why("conv", "d", {good, good}) == "block 'conv': setting 'a' is declared twice");
  SettingType outside = good;
  outside.fallback = 4;
  CHECK(why("conv", "d", {outside}) == "block 'conv': setting 'a': the default 4 is not in 1 to 3");
  SettingType empty = good;
  empty.domain = between(3, 1);
  CHECK(why("conv", "d", {empty}) == "block 'conv': setting 'a': the range 3 to 1 is empty");
  CHECK(why_badly_declared({}) == "it registers nothing");
}

TEST_CASE("plugins are looked for in the given folders, the variable's and the installation's") {
  setenv("ESPALIER_PLUGIN_PATH", "/one::/two", 1);
  const std::vector<fs::path> paths = Registry::default_paths({"/given"});
  unsetenv("ESPALIER_PLUGIN_PATH");
  REQUIRE(paths.size() == 4);
  CHECK(paths[0] == "/given");
  CHECK(paths[1] == "/one");
  CHECK(paths[2] == "/two");
  CHECK(paths[3].parent_path().filename() == "espalier");
}
