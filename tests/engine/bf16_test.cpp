#include "catch.h"
#include "espalier/data/processor.h"
#include "made_data.h"
#include "made_jobs.h"
#include "trainer_process.h"

#include <csignal>
#include <iostream>

using namespace espalier;
using namespace espalier::test;

TEST_CASE("a training in bfloat16 gives the same bytes again, on two threads, and after it was stopped") {
  if (!multiplies_bf16()) {
    std::cout << "skipped: this processor does not multiply pairs of bfloat16\n";
    return;
  }
  const TemporaryFolder folder;
  Json job = job_for(make_data(folder.path() / "data"), class_network(), "val_loss", false);
  job["trial"]["train"]["precision"] = "bf16";
  job["trial"]["train"]["threads"] = 2;
  job["trial"]["train"]["batch"] = 4;
  const auto bytes_in = [&](const char* name) { return bytes_of(folder.path() / name / "model.safetensors"); };
  for (const char* name : {"once", "again"}) REQUIRE(run_trainer(writing_to(job, folder.path() / name), folder.path() / name).exit_code == 0);
  CHECK(bytes_in("again") == bytes_in("once"));
  const Json part = writing_to(job, folder.path() / "stopped");
  const Outcome first = run_trainer(part, folder.path() / "stopped", SIGTERM, 1, "hello");
  REQUIRE(first.count("checkpoint") >= 1);
  REQUIRE(run_trainer(going_on_from(part, first), folder.path() / "stopped").exit_code == 0);
  CHECK(bytes_in("stopped") == bytes_in("once"));
  // The control: in float32 the weights are others.
  job["trial"]["train"]["precision"] = "float32";
  REQUIRE(run_trainer(writing_to(job, folder.path() / "float32"), folder.path() / "float32").exit_code == 0);
  CHECK(bytes_in("float32") != bytes_in("once"));
}
