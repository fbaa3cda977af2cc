#include "catch.h"
#include "made_data.h"
#include "made_jobs.h"
#include "trainer_process.h"

#include "espalier/network.h"

#include <algorithm>
#include <cmath>

using namespace espalier;
using namespace espalier::test;

namespace {

/// Nothing of chance in its training: one logit of all pixels.
Json plain_network() {
  Network net;
  const Value x = net.flatten(net.scale(net.input("image", {1, 8, 8}, "uint8"), 1.0 / 255.0));
  net.output({.head = "label", .target = "label", .layer = net.dense(x, 1).layer, .loss = {{"name", "binary_cross_entropy"}},
              .metrics = {"accuracy"}, .decode = {{"kind", "class"}, {"activation", "sigmoid"}, {"names", {"left", "right"}}}});
  return net.to_json();
}

}  // namespace

TEST_CASE("a network learns made pictures, and evaluating it gives its scores again") {
  const TemporaryFolder folder;
  const Json job = writing_to(job_for(make_data(folder.path() / "data"), class_network(), "val_accuracy", true), folder.path() / "a");
  const Outcome trained = run_trainer(job, folder.path() / "a");
  REQUIRE(trained.exit_code == 0);
  CHECK(trained.count("hello") == 1);
  CHECK(trained.count("epoch") == 4);
  CHECK(trained.count("checkpoint") == 4);
  const Json done = trained.last("done").at("done");
  CHECK(done.at("val_accuracy").get<double>() > 0.9);
  const Outcome scored = run_trainer(evaluating(job, trained, "validation"), folder.path() / "a");
  REQUIRE(scored.exit_code == 0);
  const Json scores = scored.last("done").at("done");
  CHECK(scores.at("val_accuracy") == done.at("val_accuracy"));
  CHECK(scores.at("val_loss") == done.at("val_loss"));
  CHECK(scores.at("baseline").at("accuracy").get<double>() < 0.8);
  CHECK(scores.at("confusion").size() == 2);
}

TEST_CASE("classes and numbers are learned from mixed samples") {
  const Json mix = GENERATE(Json{{"name", "mixup"}, {"alpha", 0.2}}, Json{{"name", "cutmix"}, {"alpha", 1.0}},
                            Json{{"name", "mixup_or_cutmix"}, {"alpha", 0.2}, {"cutmix_alpha", 1.0}});
  CAPTURE(mix.dump());
  const TemporaryFolder folder;
  Json data = make_data(folder.path() / "data");
  data["targets"] = {{"label", "label"}, {"brightness", "brightness"}};
  Network net;
  const Value x = trunk(net);
  net.output({.head = "label", .target = "label", .layer = net.dense(x, 2).layer, .loss = {{"name", "cross_entropy"}}, .metrics = {"accuracy"},
              .decode = {{"kind", "class"}, {"activation", "softmax"}, {"names", {"left", "right"}}}});
  net.output({.head = "brightness", .target = "brightness", .layer = net.dense(x, 1).layer, .loss = {{"name", "mse"}}, .metrics = {"mse"},
              .decode = {{"kind", "number"}}});
  Json job = writing_to(job_for(data, net.to_json(), "val_loss", false), folder.path() / "m");
  job["trial"]["train"]["epochs"] = {{"count", 25}};
  job["trial"]["train"]["mix"] = mix;
  const Outcome trained = run_trainer(job, folder.path() / "m");
  REQUIRE(trained.exit_code == 0);
  const Outcome scored = run_trainer(evaluating(job, trained, "validation"), folder.path() / "m");
  REQUIRE(scored.exit_code == 0);
  const Json scores = scored.last("done").at("done");
  CHECK(scores.at("label.val_accuracy").get<double>() > 0.9);
  CHECK(scores.at("brightness.val_mse").get<double>() < scores.at("baseline").at("brightness").at("mse").get<double>());
}

TEST_CASE("numbers are learned in standardised units and scored in their own") {
  const TemporaryFolder folder;
  Json data = make_data(folder.path() / "data");
  data["targets"] = {{"brightness", "brightness"}};
  Json job = writing_to(job_for(data, number_network(), "val_mse", false), folder.path() / "n");
  job["trial"]["train"]["epochs"] = {{"max", 30}, {"patience", 30}};
  const Outcome trained = run_trainer(job, folder.path() / "n");
  REQUIRE(trained.exit_code == 0);
  const Outcome scored = run_trainer(evaluating(job, trained, "validation"), folder.path() / "n");
  REQUIRE(scored.exit_code == 0);
  const Json scores = scored.last("done").at("done");
  CHECK(scores.at("val_mse") == trained.last("done").at("done").at("val_mse"));
  CHECK(scores.at("val_mse").get<double>() < scores.at("baseline").at("mse").get<double>());
  CHECK(scores.at("residuals").size() == 20);
  CHECK(scores.at("residuals").at(0).at(0).get<double>() > 50.0);
}

TEST_CASE("a loss that is no number fails with its cause") {
  const TemporaryFolder folder;
  Json job = writing_to(job_for(make_data(folder.path() / "data"), class_network(), "val_accuracy", true), folder.path() / "x");
  job["trial"]["train"]["optimizer"] = {{"name", "sgd"}, {"learning_rate", 1e38}};
  job["trial"]["train"]["schedule"] = {{"name", "constant"}};
  const Outcome wild = run_trainer(job, folder.path() / "x");
  CHECK(wild.exit_code == 70);
  CHECK(wild.last("failed").at("failed").at("cause") == "nan");
}

TEST_CASE("epochs end by themselves when nothing is bettered, and the best weights are kept") {
  const TemporaryFolder folder;
  Json job = writing_to(job_for(make_data(folder.path() / "data"), class_network(), "val_loss", false), folder.path() / "e");
  job["trial"]["train"]["epochs"] = {{"max", 40}, {"patience", 3}, {"min_delta", 1e6}};
  const Outcome impatient = run_trainer(job, folder.path() / "e");
  REQUIRE(impatient.exit_code == 0);
  // The first epoch sets the mark; no later one betters it by so much.
  CHECK(impatient.count("epoch") == 4);

  job["trial"]["train"]["epochs"] = {{"max", 12}, {"patience", 12}};
  job["trial"]["train"]["optimizer"] = {{"name", "sgd"}, {"learning_rate", 1.5}, {"momentum", 0.95}};
  job["trial"]["train"]["average"] = {{"name", "none"}};
  const Outcome trained = run_trainer(job, folder.path() / "e");
  REQUIRE(trained.exit_code == 0);
  double best = 1e9;
  for (const Json& message : trained.messages)
    if (message.contains("epoch")) best = std::min(best, message.at("metrics").at("val_loss").get<double>());
  const Outcome scored = run_trainer(evaluating(job, trained, "validation"), folder.path() / "e");
  CHECK(trained.last("done").at("done").at("val_loss").get<double>() == best);
  CHECK(scored.last("done").at("done").at("val_loss").get<double>() == best);
}

TEST_CASE("two half batches move the weights as one whole batch does") {
  const TemporaryFolder folder;
  Json job = writing_to(job_for(make_data(folder.path() / "data"), plain_network(), "val_loss", false), folder.path() / "a");
  job["trial"]["train"]["optimizer"] = {{"name", "sgd"}, {"learning_rate", 0.1}};
  const Outcome whole = run_trainer(job, folder.path() / "a");
  job["trial"]["train"]["batch"] = 8;
  job["trial"]["train"]["accumulate"] = 2;
  const Outcome halves = run_trainer(job, folder.path() / "a");
  REQUIRE(whole.exit_code == 0);
  REQUIRE(halves.exit_code == 0);
  CHECK(halves.last("done").at("done").at("val_loss").get<double>() ==
        Approx(whole.last("done").at("done").at("val_loss").get<double>()).epsilon(1e-4));
  job["trial"]["train"]["accumulate"] = 1;
  const Outcome more_steps = run_trainer(job, folder.path() / "a");
  CHECK(more_steps.last("done").at("done").at("val_loss") != halves.last("done").at("done").at("val_loss"));
}

TEST_CASE("a clipped gradient moves the weights less") {
  const TemporaryFolder folder;
  Json job = writing_to(job_for(make_data(folder.path() / "data"), plain_network(), "val_loss", false), folder.path() / "c");
  job["trial"]["train"]["optimizer"] = {{"name", "sgd"}, {"learning_rate", 0.1}};
  job["trial"]["train"]["clip"] = 1e-6;
  const Outcome clipped = run_trainer(job, folder.path() / "c");
  job["trial"]["train"]["clip"] = nullptr;
  const Outcome free = run_trainer(job, folder.path() / "c");
  REQUIRE(clipped.exit_code == 0);
  const auto fall = [](const Outcome& outcome) {
    const Json last = outcome.last("epoch").at("metrics");
    for (const Json& message : outcome.messages)
      if (message.contains("epoch")) return message.at("metrics").at("loss").get<double>() - last.at("loss").get<double>();
    return 0.0;
  };
  CHECK(std::abs(fall(clipped)) < 0.1 * fall(free));
}

TEST_CASE("normalizations and scales of numbers are those of the training split") {
  const TemporaryFolder folder;
  Json data = make_data(folder.path() / "data");
  data["targets"] = {{"brightness", "brightness"}};
  Json job = writing_to(job_for(data, number_network(), "val_mse", false), folder.path() / "s");
  job["trial"]["train"]["epochs"] = {{"count", 1}};
  const Outcome trained = run_trainer(job, folder.path() / "s");
  REQUIRE(trained.exit_code == 0);
  const Json evaluated = run_trainer(evaluating(job, trained, "train"), folder.path() / "s").last("done").at("done");
  // The mean of the training split is the best constant there: its R2 is 0.
  const double mse = evaluated.at("baseline").at("mse").get<double>();
  CHECK(evaluated.at("train_r2").get<double>() == Approx(1.0 - evaluated.at("train_mse").get<double>() / mse).epsilon(1e-4));
}

TEST_CASE("a profile tells the time of every layer, and its parts are no longer than the whole") {
  const TemporaryFolder folder;
  Json job = writing_to(job_for(make_data(folder.path() / "data"), class_network(), "val_accuracy", true), folder.path() / "a");
  job["do"] = "profile";
  job["steps"] = 3;
  const Outcome outcome = run_trainer(job, folder.path() / "a");
  REQUIRE(outcome.exit_code == 0);
  const Json done = outcome.last("done").at("done");
  CHECK(done.at("steps") == 3);
  CHECK(done.at("evaluation").get<double>() > 0.0);
  CHECK(done.at("memory").get<int64_t>() > (int64_t{1} << 20));
  double forward = 0.0;
  double backward = 0.0;
  size_t convolutions = 0;
  const Json& layers = done.at("layers");
  for (const Json& layer : layers) {
    forward += layer.at("forward").get<double>();
    backward += layer.at("backward").get<double>();
    if (layer.at("op") != "conv") continue;
    ++convolutions;
    CHECK(layer.at("forward").get<double>() > 0.0);
    CHECK(layer.at("backward").get<double>() > 0.0);
    CHECK(layer.at("macs").get<double>() > 0.0);
  }
  CHECK(convolutions > 0);
  const Json& phases = done.at("phases");
  CHECK(forward <= phases.at("forward").get<double>());
  CHECK(backward <= phases.at("backward").get<double>());
  double sum = 0.0;
  for (const char* phase : {"data", "forward", "loss", "backward", "optimizer"}) sum += phases.at(phase).get<double>();
  CHECK(done.at("step").get<double>() == Approx(sum));
}
