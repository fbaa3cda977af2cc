// What a frozen part gives is computed once, kept, and read by every training that shares it.
#include "catch.h"
#include "made_data.h"
#include "made_jobs.h"
#include "trainer_process.h"

#include "espalier/network.h"
#include "espalier/network/analysis.h"

#include <algorithm>
#include <fstream>

using namespace espalier;
using namespace espalier::test;

namespace {

struct Made {
  Network net;
  int end = -1;   ///< where the frozen part ends
};

/// Pixels, a frozen part with a dropout in it, and a head behind another dropout.
Made made(int64_t width, int64_t units, bool moves = false) {
  Made m;
  Value x = m.net.normalize(m.net.input("image", {1, 8, 8}, "uint8"));
  if (moves) x = m.net.random_translate(x, 0.125, 0.125);
  const size_t begin = m.net.layers().size();
  x = m.net.dropout(m.net.relu(m.net.batch_norm(m.net.conv(x, {.filters = width}))), 0.5);
  m.net.freeze(begin, m.net.layers().size(), Layer::never);
  x = m.net.global_avg_pool(x);
  m.end = x.layer;
  x = m.net.dropout(m.net.dense(x, units), 0.1);
  m.net.output({.head = "label", .target = "label", .layer = m.net.dense(x, 2).layer, .loss = {{"name", "cross_entropy"}},
                .metrics = {"accuracy"}, .decode = {{"kind", "class"}, {"activation", "softmax"}, {"names", {"left", "right"}}}});
  return m;
}

/// Files that were written to their end: the note beside each says so.
size_t kept_files(const std::filesystem::path& folder) {
  std::error_code error;
  const std::filesystem::directory_iterator files(folder, error);
  return error ? 0 : static_cast<size_t>(std::ranges::count_if(files, [](const auto& entry) {
    return entry.path().extension() == ".values" && std::filesystem::exists(std::filesystem::path(entry.path()).replace_extension(".json"));
  }));
}

std::filesystem::file_time_type written(const std::filesystem::path& folder) {
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".values") return entry.last_write_time();
  return {};
}

Json trained(const std::filesystem::path& folder, const Json& data, const Network& net) {
  const Outcome outcome = run_trainer(writing_to(job_for(data, net.to_json(), "val_loss", false), folder), folder);
  REQUIRE(outcome.exit_code == 0);
  return outcome.last("done").at("done");
}

}  // namespace

TEST_CASE("the still values are those at the end of what is frozen, and nothing that moves") {
  const Made m = made(8, 4);
  CHECK(still_values(m.net, 0.0) == std::vector<int>{m.end});
  CHECK(still_values(m.net, 1e9).empty());
  CHECK(still_values(made(8, 4, true).net, 0.0).empty());
  Network plain;
  plain.dense(plain.flatten(plain.normalize(plain.input("image", {1, 8, 8}, "uint8"))), 2);
  CHECK(still_values(plain, 0.0).empty());
}

TEST_CASE("training on kept values gives the numbers of training on pictures, and evaluating, too") {
  const TemporaryFolder folder;
  const Json data = make_data(folder.path() / "data");
  Json keeping = data;
  keeping["features"] = {{"folder", (folder.path() / "features").string()}, {"quota", 1e9}, {"always", true}};
  const Network net = made(8, 4).net;
  const Json plain = trained(folder.path() / "a", data, net);
  CHECK(kept_files(folder.path() / "features") == 0);
  const Json kept = trained(folder.path() / "b", keeping, net);
  CHECK(kept_files(folder.path() / "features") == 1);
  CHECK(kept.at("val_loss").get<double>() == Approx(plain.at("val_loss").get<double>()).epsilon(1e-4));
  Json job = writing_to(job_for(keeping, net.to_json(), "val_loss", false), folder.path() / "b");
  Outcome done;
  done.messages = {{{"done", kept}}};
  const Outcome scored = run_trainer(evaluating(job, done, "validation"), folder.path() / "b");
  REQUIRE(scored.exit_code == 0);
  CHECK(scored.last("done").at("done").at("val_loss").get<double>() == Approx(kept.at("val_loss").get<double>()).epsilon(1e-5));
  CHECK(kept_files(folder.path() / "features") == 1);
}

TEST_CASE("another head shares the kept values, another trunk has its own") {
  const TemporaryFolder folder;
  Json data = make_data(folder.path() / "data");
  data["features"] = {{"folder", (folder.path() / "features").string()}, {"quota", 1e9}, {"always", true}};
  trained(folder.path() / "a", data, made(8, 4).net);
  const auto before = written(folder.path() / "features");
  trained(folder.path() / "b", data, made(8, 6).net);
  CHECK(kept_files(folder.path() / "features") == 1);
  CHECK(written(folder.path() / "features") == before);
  trained(folder.path() / "c", data, made(12, 4).net);
  CHECK(kept_files(folder.path() / "features") == 2);
  data["features"]["quota"] = 100.0;
  trained(folder.path() / "d", data, made(16, 4).net);
  CHECK(kept_files(folder.path() / "features") == 2);
}

TEST_CASE("kept values that were damaged are computed again") {
  const TemporaryFolder folder;
  Json data = make_data(folder.path() / "data");
  data["features"] = {{"folder", (folder.path() / "features").string()}, {"quota", 1e9}, {"always", true}};
  const Network net = made(8, 4).net;
  const Json before = trained(folder.path() / "a", data, net);
  for (const auto& entry : std::filesystem::directory_iterator(folder.path() / "features"))
    if (entry.path().extension() == ".values") {
      std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(64);
      file.write("damaged", 7);
    }
  const auto damaged = written(folder.path() / "features");
  const Json after = trained(folder.path() / "b", data, net);
  CHECK(after.at("val_loss") == before.at("val_loss"));
  CHECK(written(folder.path() / "features") != damaged);
}
