#include "catch.h"
#include "made_data.h"
#include "made_jobs.h"
#include "trainer_process.h"

#include "espalier/network.h"

#include <string>
#include <vector>

using namespace espalier;
using namespace espalier::test;

namespace {

Output side(Value logits) {
  return {.head = "label", .target = "label", .layer = logits.layer, .loss = {{"name", "cross_entropy"}}, .metrics = {"accuracy"},
          .decode = {{"kind", "class"}, {"activation", "softmax"}, {"names", {"left", "right"}}}};
}

/// A job that asks for views of rows 3, 1 and 7 in four epochs.
Json views_job(const Json& data, const Json& network, const std::filesystem::path& folder) {
  Json job = writing_to(job_for(data, network, "val_accuracy", true), folder);
  job["do"] = "views";
  job["rows"] = {3, 1, 7};
  job["views"] = 4;
  return job;
}

std::vector<Json> sheets_of(const Json& job, const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  const Outcome outcome = run_trainer(job, folder);
  INFO(outcome.last("failed").dump());
  REQUIRE(outcome.exit_code == 0);
  return outcome.last("done").at("done").at("sheets").get<std::vector<Json>>();
}

constexpr size_t kPicture = 8 * 8;

/// A picture of a sheet of five columns.
std::string picture(const std::string& bytes, size_t row, size_t column) { return bytes.substr((row * 5 + column) * kPicture, kPicture); }

}  // namespace

TEST_CASE("a sheet shows samples as they are and as a training sees them, in the order of the rows") {
  const TemporaryFolder folder;
  const Json data = make_data(folder.path() / "data");
  Network net;
  const Value views = net.random_flip(net.normalize(net.input("image", {1, 8, 8}, "uint8")), true, false);
  net.output(side(net.dense(net.flatten(views), 2)));
  const Json job = views_job(data, net.to_json(), folder.path() / "a");
  const std::vector<Json> sheets = sheets_of(job, folder.path() / "a");
  REQUIRE(sheets.size() == 1);
  CHECK(sheets[0].at("shape") == Json{3, 5, 8, 8, 1});
  const std::string bytes = bytes_of(sheets[0].at("file").get<std::string>());
  REQUIRE(bytes.size() == 3 * 5 * kPicture);
  // The cache's own bytes come back through normalization and its inverse; the last table of the file begins the pictures.
  const std::string cache = bytes_of(folder.path() / "data" / "data.h5");
  bool mirrored = false;
  for (size_t row = 0; row < 3; ++row) {
    CHECK(cache.find(picture(bytes, row, 0)) != std::string::npos);
    std::string mirror;
    for (size_t i = 0; i < kPicture; ++i) mirror += picture(bytes, row, 0)[i / 8 * 8 + 7 - i % 8];
    for (size_t column = 1; column < 5; ++column) {
      const std::string view = picture(bytes, row, column);
      CHECK((view == picture(bytes, row, 0) || view == mirror));
      mirrored = mirrored || view == mirror;
    }
  }
  CHECK(mirrored);
  const std::vector<Json> again = sheets_of(views_job(data, net.to_json(), folder.path() / "b"), folder.path() / "b");
  CHECK(bytes_of(again[0].at("file").get<std::string>()) == bytes);
}

TEST_CASE("mixed samples are shown mixed, and networks without pictures have no sheets") {
  const TemporaryFolder folder;
  Json data = make_data(folder.path() / "data");
  Network net;
  net.output(side(net.dense(net.flatten(net.scale(net.input("image", {1, 8, 8}, "uint8"), 0.01)), 2)));
  Json job = views_job(data, net.to_json(), folder.path() / "a");
  const std::string plain = bytes_of(sheets_of(job, folder.path() / "a").at(0).at("file").get<std::string>());
  CHECK(picture(plain, 0, 1) == picture(plain, 0, 0));
  job["trial"]["train"]["mix"] = {{"name", "mixup"}, {"alpha", 1.0}};
  const std::string mixed = bytes_of(sheets_of(job, folder.path() / "a").at(0).at("file").get<std::string>());
  bool differs = false;
  for (size_t column = 1; column < 5; ++column) differs = differs || picture(mixed, 0, column) != picture(mixed, 0, 0);
  CHECK(differs);
  CHECK(picture(mixed, 0, 0) == picture(plain, 0, 0));
  Network facts;
  facts.output(side(facts.dense(facts.input("extra", {3}, "float32"), 2)));
  data["inputs"] = {{"extra", "extra"}};
  CHECK(sheets_of(views_job(data, facts.to_json(), folder.path() / "b"), folder.path() / "b").empty());
}
