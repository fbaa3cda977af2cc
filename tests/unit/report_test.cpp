#include "espalier/report/report.h"

#include "catch.h"
#include "espalier/data/stats.h"
#include "espalier/error.h"
#include "espalier/report/gather.h"
#include "espalier/report/samples.h"
#include "espalier/store/store.h"

#include <unistd.h>

#include <fstream>
#include <string>

using namespace espalier;
namespace fs = std::filesystem;

namespace {

/// A study of two trials, one failed, as a run leaves it; goes away with its owner.
struct MadeUpStudy {
  fs::path folder = fs::temp_directory_path() / ("espalier-report-" + std::to_string(getpid()));

  explicit MadeUpStudy(const std::string& note) {
    fs::remove_all(folder);
    fs::create_directories(folder / "best");
    const auto store = open_sqlite(folder / "study.db");
    store->set_info("objective", {{"metric", "val_accuracy"}, {"maximize", true}});
    const Json document = {{"objective", {{"maximize", "val_accuracy"}}}};
    store->add({{"trunk.depth", 2}}, note, document);
    store->add({{"trunk.depth", 3}}, "random", document);
    const Lease first = *store->claim("test", 60.0);
    store->record_epoch(first, {.epoch = 0, .metrics = {{"loss", 0.7}, {"val_accuracy", 0.81}}});
    store->complete(first, {{"val_accuracy", 0.81}}, 0.81, 12.5);
    const Lease second = *store->claim("test", 60.0);
    store->fail(second, "nan", "the loss is not finite", 1.0);
    std::ofstream(folder / "pipeline.yaml") << "# Two trials.\ndata: {dataset: made_up}\n";
    std::ofstream(folder / "best" / "scores.json")
        << R"({"search": {"val_accuracy": 0.81}, "test": {"test_accuracy": 0.8, "confusion": [[4, 1], [0, 5]]}, "baseline": {"accuracy": 0.5}})";
  }
  ~MadeUpStudy() { fs::remove_all(folder); }
};

/// The document that the page holds.
Json embedded(const std::string& page) {
  const std::string open = "<script type=\"application/json\" id=\"study\">";
  const size_t begin = page.find(open) + open.size();
  return Json::parse(page.substr(begin, page.find("</script>", begin) - begin));
}

size_t count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++n;
  return n;
}

}  // namespace

TEST_CASE("a report holds every trial, its curve and the cause of a failure") {
  const MadeUpStudy study("first configuration");
  const Json document = embedded(report::read_text(write_report(study.folder)));
  REQUIRE(document["trials"].size() == 2);
  CHECK(document["trials"][0]["curve"][0]["metrics"]["val_accuracy"] == 0.81);
  CHECK(document["trials"][1]["cause"] == "nan");
  CHECK(document["scores"]["baseline"]["accuracy"] == 0.5);
  REQUIRE(document["attempts"].size() == 2);
  CHECK(document["attempts"][1]["outcome"] == "failed");
  CHECK(document["decisions"][0]["objective"] == 0.81);
  CHECK(document["importance"]["trials"] == 1);
  CHECK(document["about"] == "Two trials.");
  CHECK(document["confusions"][0]["matrix"][0][1] == 1);
}

TEST_CASE("a report of several objectives knows which trials are on the front") {
  const MadeUpStudy study("first configuration");
  CHECK(report::gather(study.folder)["front"].empty());  // there is nothing to trade where one objective decides
  const auto store = open_sqlite(study.folder / "study.db");
  const Json parameters = {{"metric", "parameters"}, {"maximize", false}};
  store->set_info("objective", {{"metric", "val_accuracy"}, {"maximize", true}, {"others", {parameters}}});
  for (const auto& [accuracy, size] : {std::pair(0.9, 40.0), std::pair(0.8, 20.0), std::pair(0.7, 25.0), std::pair(0.9, 30.0)}) {
    store->add({}, "random", Json::object());
    store->complete(*store->claim("test", 60.0), {{"val_accuracy", accuracy}, {"parameters", size}}, accuracy, 1.0);
  }
  const Json document = report::gather(study.folder);
  CHECK(document["front"] == Json{3, 5});
  CHECK(document["best"] == 5);
  CHECK(document["ranking"] == Json{5, 2, 0, 3, 4, 1});
  CHECK(document["objective"]["others"][0] == parameters);
}

TEST_CASE("text of a study cannot become markup of the page") {
  const MadeUpStudy harmless("plain");
  const size_t scripts = count(report::read_text(write_report(harmless.folder)), "</script>");
  const std::string hostile = "</script><script>alert(1)</script><!--";
  const MadeUpStudy study(hostile);
  const std::string page = report::read_text(write_report(study.folder));
  CHECK(count(page, "</script>") == scripts);
  CHECK(embedded(page)["trials"][0]["reason"] == hostile);
}

TEST_CASE("a report without a charting library still holds its data") {
  const Json document = {{"name", "a<b"}, {"trials", Json::array()}};
  const std::string page = report::write_page(document, "");
  CHECK(page.find("<title>a&lt;b") != std::string::npos);
  CHECK(embedded(page) == document);
  CHECK(page.find("{{") == std::string::npos);
}

TEST_CASE("a folder without a study is an error of the store") {
  try {
    write_report(fs::temp_directory_path() / "espalier-there-is-no-such-study");
    FAIL("it wrote a report of nothing");
  } catch (const Error& error) {
    CHECK(error.exit_code() == 5);
  }
}

TEST_CASE("bytes become text as RFC 4648 says") {
  const auto encode = [](const std::string& text) {
    return espalier::base64(reinterpret_cast<const unsigned char*>(text.data()), text.size());
  };
  CHECK(encode("") == "");
  CHECK(encode("f") == "Zg==");
  CHECK(encode("fo") == "Zm8=");
  CHECK(encode("foo") == "Zm9v");
  CHECK(encode("foobar") == "Zm9vYmFy");
}

TEST_CASE("confusion and residuals are found by head or alone") {
  const Json document = {{"network", {{"outputs", {{{"head", "label"}, {"decode", {{"names", {"cat", "dog"}}}}}}}}}};
  const Json alone = report::confusions_of({{"test", {{"confusion", {{3, 1}, {2, 4}}}}}}, document);
  REQUIRE(alone.size() == 1);
  CHECK(alone[0]["head"] == "label");
  CHECK(alone[0]["names"][1] == "dog");
  const Json residuals = report::residuals_of({{"test", {{"residuals", {{"age", {{30.0, 31.5}, {40.0, nullptr}}}}}}}}, document);
  REQUIRE(residuals.size() == 1);
  CHECK(residuals[0]["head"] == "age");
  CHECK(residuals[0]["true"] == Json{30.0});
  CHECK(residuals[0]["predicted"] == Json{31.5});
}
