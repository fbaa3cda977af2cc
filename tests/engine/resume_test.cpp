#include "catch.h"
#include "made_data.h"
#include "made_jobs.h"
#include "trainer_process.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <vector>

using namespace espalier;
using namespace espalier::test;

namespace {

const Json kSgd = {{"name", "sgd"}, {"learning_rate", 0.05}, {"momentum", 0.9}, {"nesterov", true}, {"weight_decay", 1e-4}};
const Json kAdam = {{"name", "adam"}, {"learning_rate", 0.01}};
const Json kAdamW = {{"name", "adamw"}, {"learning_rate", 0.01}, {"weight_decay", 0.05}};
const Json kRAdam = {{"name", "radam"}, {"learning_rate", 0.01}, {"weight_decay", 0.05}};
const Json kLion = {{"name", "lion"}, {"learning_rate", 0.001}, {"weight_decay", 0.1}};
const Json kMuon = {{"name", "muon"}, {"learning_rate", 0.05}, {"momentum", 0.6}, {"partner_learning_rate", 0.05}};
const Json kFour = {{"count", 4}};
const Json kPatient = {{"max", 9}, {"patience", 2}, {"min_delta", 0.01}};

std::string last_checkpoint(const Outcome& outcome) { return outcome.last("checkpoint").at("checkpoint").get<std::string>(); }

/// Trains in one go, and in two parts of which the first has `until` epochs: both end in the same bytes. Returns the former.
Outcome check_in_parts(const TemporaryFolder& folder, const Json& job, int64_t until) {
  Outcome whole = run_trainer(writing_to(job, folder.path() / "whole"), folder.path() / "whole");
  REQUIRE(whole.exit_code == 0);
  Json part = writing_to(job, folder.path() / "parts");
  part["attempt"]["until"] = until;
  const Outcome first = run_trainer(part, folder.path() / "parts");
  REQUIRE(first.exit_code == 0);
  REQUIRE(first.count("epoch") == static_cast<size_t>(until));
  part["attempt"]["until"] = nullptr;
  const Outcome second = run_trainer(going_on_from(part, first), folder.path() / "parts");
  REQUIRE(second.exit_code == 0);
  CHECK(second.count("epoch") + first.count("epoch") == whole.count("epoch"));
  for (const std::string& file : {std::string("model.safetensors"), last_checkpoint(whole)})
    CHECK(bytes_of(folder.path() / "parts" / file) == bytes_of(folder.path() / "whole" / file));
  return whole;
}

/// Flips one bit of a file.
void damage(const std::filesystem::path& file, size_t at) {
  std::string bytes = bytes_of(file);
  bytes.at(at) = static_cast<char>(bytes.at(at) ^ 1);
  std::ofstream(file, std::ios::binary) << bytes;
}

}  // namespace

TEST_CASE("a training in two parts gives the same bytes as one in one") {
  const TemporaryFolder folder;
  check_in_parts(folder, job_for(make_data(folder.path() / "data"), class_network(), "val_accuracy", true), 2);
}

TEST_CASE("a training that was stopped or killed goes on to the same bytes") {
  const auto [optimizer, epochs] = GENERATE(
      table<Json, Json>({{kSgd, kFour}, {kAdam, kPatient}, {kAdamW, kPatient}, {kAdamW, kFour}, {kRAdam, kFour}, {kLion, kFour}, {kMuon, kFour}}));
  CAPTURE(optimizer.dump(), epochs.dump());
  const TemporaryFolder folder;
  Json job = job_for(make_data(folder.path() / "data"), class_network(), "val_loss", false);
  job["trial"]["train"]["optimizer"] = optimizer;
  job["trial"]["train"]["epochs"] = epochs;
  job["trial"]["train"]["batch"] = 4;
  const Outcome whole = run_trainer(writing_to(job, folder.path() / "whole"), folder.path() / "whole");
  REQUIRE(whole.exit_code == 0);
  // At the greeting it stops within the first epoch, after an epoch somewhere in the second or later.
  const auto cut_short = [&](int signal, const std::string& kind, const std::filesystem::path& cut) {
    const Json part = writing_to(job, cut);
    const Outcome outcome = run_trainer(part, cut, signal, 1, kind);
    REQUIRE(outcome.count("checkpoint") >= 1);
    REQUIRE(run_trainer(going_on_from(part, outcome), cut).exit_code == 0);
    CHECK(bytes_of(cut / last_checkpoint(whole)) == bytes_of(folder.path() / "whole" / last_checkpoint(whole)));
    CHECK(bytes_of(cut / "model.safetensors") == bytes_of(folder.path() / "whole" / "model.safetensors"));
  };
  cut_short(SIGTERM, "hello", folder.path() / "stopped");
  cut_short(SIGKILL, "checkpoint", folder.path() / "killed");
}

TEST_CASE("another trial goes on from a checkpoint with settings and seeds of its own") {
  const TemporaryFolder folder;
  const Json job = job_for(make_data(folder.path() / "data"), class_network(), "val_accuracy", true);
  Json parent = writing_to(job, folder.path() / "parent");
  parent["attempt"]["until"] = 2;
  const Outcome first = run_trainer(parent, folder.path() / "parent");
  parent["attempt"]["until"] = nullptr;
  Json branch = writing_to(going_on_from(parent, first), folder.path() / "branch");
  branch["trial"]["number"] = 7;
  branch["trial"]["train"]["optimizer"]["learning_rate"] = 0.001;
  for (auto& [stream, seed] : branch["trial"]["seeds"].items()) seed = std::to_string(std::stoull(seed.get<std::string>()) + 1);
  const Outcome went_on = run_trainer(branch, folder.path() / "branch");
  REQUIRE(went_on.exit_code == 0);
  CHECK(went_on.count("epoch") == 2);
  CHECK(went_on.last("epoch").at("epoch") == 4);
  const Outcome itself = run_trainer(going_on_from(parent, first), folder.path() / "parent");
  REQUIRE(itself.exit_code == 0);
  CHECK(bytes_of(folder.path() / "branch" / last_checkpoint(went_on)) != bytes_of(folder.path() / "parent" / last_checkpoint(itself)));
}

TEST_CASE("bins of a number are gone on with, and old weights tell the same numbers") {
  const TemporaryFolder folder;
  Network net;
  net.output({.head = "brightness", .target = "brightness", .layer = net.dense(trunk(net), 12).layer,
              .loss = {{"name", "bins"}, {"bins", 12}, {"spread", 0.2}, {"expectation", 1.0}}, .metrics = {"mse"},
              .decode = {{"kind", "number"}, {"bins", 12}, {"activation", "softmax"}}});
  Json data = make_data(folder.path() / "data");
  data["targets"] = {{"brightness", "brightness"}};
  const Json job = job_for(data, net.to_json(), "val_mse", false);
  REQUIRE(run_trainer(writing_to(job, folder.path() / "whole"), folder.path() / "whole").exit_code == 0);
  Json part = writing_to(job, folder.path() / "parts");
  part["attempt"]["until"] = 2;
  const Outcome first = run_trainer(part, folder.path() / "parts");
  part["attempt"]["until"] = nullptr;
  const Outcome second = run_trainer(going_on_from(part, first), folder.path() / "parts");
  REQUIRE(second.exit_code == 0);
  CHECK(bytes_of(folder.path() / "parts" / "model.safetensors") == bytes_of(folder.path() / "whole" / "model.safetensors"));
  const Json later = evaluating(part, second, "validation");
  const Json before = run_trainer(later, folder.path() / "parts").last("done").at("done");
  CHECK(before.at("val_mse") == second.last("done").at("done").at("val_mse"));
}

TEST_CASE("averages of weights are gone on with") {
  const Json average = GENERATE(Json{{"name", "ema"}, {"decay", 0.9}}, Json{{"name", "lookahead"}, {"every", 3}, {"decay", 0.7}});
  CAPTURE(average.dump());
  const TemporaryFolder folder;
  Json job = job_for(make_data(folder.path() / "data"), class_network(), "val_accuracy", true);
  job["trial"]["train"]["average"] = average;
  const Outcome whole = check_in_parts(folder, job, 2);
  const Json part = writing_to(job, folder.path() / "stopped");
  const Outcome first = run_trainer(part, folder.path() / "stopped", SIGTERM, 1, "hello");  // within the first epoch
  REQUIRE(last_checkpoint(first).find("-step-") != std::string::npos);
  REQUIRE(run_trainer(going_on_from(part, first), folder.path() / "stopped").exit_code == 0);
  CHECK(bytes_of(folder.path() / "stopped" / last_checkpoint(whole)) == bytes_of(folder.path() / "whole" / last_checkpoint(whole)));
}

TEST_CASE("what thaws on the way does so in a training in two parts, too") {
  Network net = Network::from_json(class_network());
  net.freeze(3, 5, 2);  // convolution and batch norm
  const TemporaryFolder folder;
  Json job = job_for(make_data(folder.path() / "data"), net.to_json(), "val_accuracy", true);
  job["trial"]["train"]["optimizer"] = kAdamW;
  check_in_parts(folder, job, GENERATE(1, 2, 3));
}

TEST_CASE("a plateau is gone on with where it was") {
  const TemporaryFolder folder;
  Json job = job_for(make_data(folder.path() / "data"), class_network(), "val_accuracy", true);
  job["trial"]["train"]["epochs"] = {{"count", 8}};
  job["trial"]["train"]["schedule"] = {{"name", "plateau"}, {"patience", 2}, {"factor", 0.5}};
  // So high a rate betters nothing for long.
  job["trial"]["train"]["optimizer"] = {{"name", "adam"}, {"learning_rate", 0.05}};
  const Outcome whole = check_in_parts(folder, job, 3);
  std::vector<double> rates;
  for (const Json& message : whole.messages)
    if (message.contains("epoch")) rates.push_back(message.at("metrics").at("learning_rate").get<double>());
  CHECK(rates.front() == 0.05);
  CHECK(rates.back() < 0.05);
}

TEST_CASE("mixed samples are gone on with") {
  const Json mix = GENERATE(Json{{"name", "mixup"}, {"alpha", 0.4}, {"probability", 0.7}}, Json{{"name", "cutmix"}, {"alpha", 1.0}},
                            Json{{"name", "mixup_or_cutmix"}, {"cutmix_alpha", 0.5}});
  CAPTURE(mix.dump());
  const TemporaryFolder folder;
  Json job = job_for(make_data(folder.path() / "data"), class_network(), "val_accuracy", true);
  job["trial"]["train"]["mix"] = mix;
  job["trial"]["train"]["accumulate"] = 2;
  REQUIRE(run_trainer(writing_to(job, folder.path() / "whole"), folder.path() / "whole").exit_code == 0);
  const Json part = writing_to(job, folder.path() / "parts");
  // Stopped within the first epoch.
  const Outcome first = run_trainer(part, folder.path() / "parts", SIGTERM, 1, "hello");
  REQUIRE(first.count("checkpoint") >= 1);
  REQUIRE(run_trainer(going_on_from(part, first), folder.path() / "parts").exit_code == 0);
  const std::string whole = bytes_of(folder.path() / "whole" / "epoch-0004.ckpt");
  CHECK(bytes_of(folder.path() / "parts" / "epoch-0004.ckpt") == whole);
  // The control: without mixing the weights are others.
  job["trial"]["train"]["mix"] = "none";
  REQUIRE(run_trainer(writing_to(job, folder.path() / "plain"), folder.path() / "plain").exit_code == 0);
  CHECK(bytes_of(folder.path() / "plain" / "epoch-0004.ckpt") != whole);
}

TEST_CASE("what an epoch leaves out is gone on with") {
  const TemporaryFolder folder;
  Json job = job_for(make_data(folder.path() / "data"), class_network(), "val_accuracy", true);
  job["trial"]["train"]["batch"] = 4;
  job["trial"]["train"]["skip_easy"] = 0.4;
  const Outcome whole = check_in_parts(folder, job, 2);
  const Json part = writing_to(job, folder.path() / "stopped");
  const Outcome first = run_trainer(part, folder.path() / "stopped", SIGTERM, 1, "epoch");
  REQUIRE(run_trainer(going_on_from(part, first), folder.path() / "stopped").exit_code == 0);
  const std::string bytes = bytes_of(folder.path() / "whole" / last_checkpoint(whole));
  CHECK(bytes_of(folder.path() / "stopped" / last_checkpoint(whole)) == bytes);
  // The control: had all been unseen after two epochs, others would have been left out.
  Json forgetful = writing_to(job, folder.path() / "forgetful");
  forgetful["trial"]["train"]["skip_easy"] = 0.0;
  forgetful["attempt"]["until"] = 2;
  const Outcome before = run_trainer(forgetful, folder.path() / "forgetful");
  REQUIRE(before.exit_code == 0);
  forgetful["trial"]["train"]["skip_easy"] = 0.4;
  forgetful["attempt"]["until"] = nullptr;
  REQUIRE(run_trainer(going_on_from(forgetful, before), folder.path() / "forgetful").exit_code == 0);
  CHECK(bytes_of(folder.path() / "forgetful" / last_checkpoint(whole)) != bytes);
}

TEST_CASE("where a checkpoint is damaged, training goes on from the one before and says so") {
  const TemporaryFolder folder;
  Json job = writing_to(job_for(make_data(folder.path() / "data"), class_network(), "val_loss", false), folder.path() / "d");
  const Outcome whole = run_trainer(job, folder.path() / "d");
  REQUIRE(whole.exit_code == 0);
  const std::filesystem::path last = folder.path() / "d" / "epoch-0004.ckpt";
  const std::string good = bytes_of(last);
  const std::string model = bytes_of(folder.path() / "d" / "model.safetensors");
  job["attempt"]["read"] = last.string();
  // Cut off, one bit of the values, of the state in the header, and of the header's length.
  const size_t state = good.find("best_epoch");
  REQUIRE(state != std::string::npos);
  const auto spoil = [&](size_t how) {
    std::ofstream(last, std::ios::binary) << good;
    if (how == 0) std::filesystem::resize_file(last, good.size() - 100);
    if (how == 1) damage(last, good.size() - 100);
    if (how == 2) damage(last, state);
    if (how == 3) damage(last, 0);
    if (how == 4) damage(last, 7);
  };
  for (size_t how = 0; how < 5; ++how) {
    CAPTURE(how);
    spoil(how);
    const Outcome again = run_trainer(job, folder.path() / "d");
    CHECK(again.exit_code == 0);
    CHECK(again.count("epoch") == 1);
    REQUIRE(again.count("warning") == 1);
    CHECK(again.last("warning").at("warning").get<std::string>().find("going on from epoch-0003.ckpt") != std::string::npos);
    CHECK(bytes_of(last) == good);
    CHECK(bytes_of(folder.path() / "d" / "model.safetensors") == model);
  }
}

TEST_CASE("a checkpoint that is damaged and alone is refused") {
  const TemporaryFolder folder;
  Json job = writing_to(job_for(make_data(folder.path() / "data"), class_network(), "val_loss", false), folder.path() / "x");
  const std::filesystem::path broken = folder.path() / "broken.ckpt";
  std::ofstream(broken) << "this is no checkpoint";
  job["attempt"]["read"] = broken.string();
  const Outcome refused = run_trainer(job, folder.path() / "x");
  CHECK(refused.exit_code == 70);
  CHECK(refused.count("epoch") == 0);
  CHECK(refused.last("failed").at("failed").at("where").get<std::string>().find("broken.ckpt is damaged") != std::string::npos);
}
