// Real files, where they are: Debian's dataset-fashion-mnist, and data that `espalier data fetch` left.
#include "espalier/data/files.h"
#include "espalier/data/prepare.h"
#include "espalier/data/prepared.h"
#include "espalier/error.h"

#include "catch.h"
#include "plugin_reader.h"

#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <optional>

using namespace espalier;
namespace fs = std::filesystem;

namespace {

struct Cache {
  TemporaryFolder home;
  fs::path folder = home.path();
  DataRequest request(Json data) const {
    const fs::path datasets = fs::path(ESPALIER_SOURCE) / "datasets";
    return {.data = std::move(data), .seed = 7, .dataset_paths = {datasets}, .cache = folder, .pipeline_folder = folder};
  }
};

const FindReader kReaders = [](const std::string& name) -> const ReaderType& {
  const ReaderType* out = reader_of_plugin(name);
  require(out != nullptr, "E1100", "plugin '" + name + "' is not built");
  return *out;
};

/// Prepares, or says why it cannot.
std::optional<Preparation> prepare(const DataRequest& request) {
  try {
    return prepare_data(request, kReaders);
  } catch (const Error& e) {
    if (e.problems()[0].code != "E2101" && e.problems()[0].code != "E1100") throw;
    std::cout << "skipped: " << e.problems()[0].message << "\n";
    return std::nullopt;
  }
}

}  // namespace

TEST_CASE("Fashion-MNIST is prepared from Debian's files") {
  const Cache cache;
  const DataRequest request = cache.request({{"dataset", "fashion_mnist"}, {"split", {{"validation", 0.1}, {"stratify", "label"}}}});
  const auto done = prepare(request);
  if (!done) return;
  const Prepared data = Prepared::open(done->folder);
  CHECK(data.rows() == 70000);
  CHECK(data.column("image").shape == Shape{28, 28, 1});
  CHECK(data.column("label").names.at(9) == "ankle_boot");
  CHECK(data.column("label").as<int64_t>()[0] == 9);
  const Splits splits = read_splits(done->splits);
  CHECK(splits.train.size() == 54000);
  CHECK(splits.validation.size() == 6000);
  CHECK(splits.test.size() == 10000);
  const Preparation again = prepare_data(request, kReaders);
  CHECK_FALSE(again.built);
  std::cout << "fashion_mnist: built in " << done->seconds << " s, found in " << again.seconds << " s\n";
}

TEST_CASE("CIFAR-10 is prepared from its six files") {
  const Cache cache;
  const DataRequest request = cache.request({{"dataset", "cifar10"}, {"split", {{"validation", 0.1}, {"stratify", "label"}}}});
  const auto done = prepare(request);
  if (!done) return;
  const Prepared data = Prepared::open(done->folder);
  CHECK(data.rows() == 60000);
  CHECK(data.column("image").shape == Shape{32, 32, 3});
  CHECK(read_splits(done->splits).train.size() == 45000);
  const Preparation again = prepare_data(request, kReaders);
  CHECK_FALSE(again.built);
  std::cout << "cifar10: built in " << done->seconds << " s, found in " << again.seconds << " s\n";
}

TEST_CASE("faces of IMDB-WIKI are prepared, and what is unusable is left out by cause") {
  const Cache cache;
  const Json data = {{"dataset", "imdb"},
                     {"where", {"face_score >= 1", "not second_face", "age >= 0 and age <= 100"}},
                     {"split", {{"test", 0.1}, {"validation", 0.1}, {"group", "person"}}},
                     {"prepare", {"grey", {{"resize", {{"size", {128, 128}}}}}}}};
  const auto done = prepare(cache.request(data));
  if (!done) return;
  const Prepared prepared = Prepared::open(done->folder);
  CHECK(prepared.column("image").shape == Shape{128, 128, 1});
  const Splits splits = read_splits(done->splits);
  CHECK(splits.train.size() > splits.test.size());
  std::map<std::string, int64_t> causes;
  for (const Json& cause : done->left_out) causes[cause.at("cause")] = cause.at("count");
  for (const auto* cause : {"impossible date", "missing file", "truncated picture", "not true: face_score >= 1", "not true: not second_face"})
    CHECK(causes[cause] > 0);
  const Preparation again = prepare_data(cache.request(data), kReaders);
  CHECK_FALSE(again.built);
  std::cout << "imdb: built in " << done->seconds << " s, found in " << again.seconds << " s; " << done->left_out.dump() << "\n";
}
