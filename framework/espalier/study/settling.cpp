#include "espalier/study/settling.h"

#include "espalier/data/files.h"
#include "espalier/data/processor.h"
#include "espalier/error.h"
#include "espalier/pipeline/measures.h"
#include "espalier/pipeline/names.h"
#include "espalier/study/asking.h"
#include "espalier/study/calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <thread>

namespace espalier {

namespace {

Predict prediction(const Json& calibration, const Preparation& data) {
  const Json rows = read_json_file(std::filesystem::path(data.splits).replace_extension(".json")).at("rows");
  const auto count = [&](const char* split) { return rows.value(split, int64_t{0}); };
  return [calibration, train = count("train"), validation = count("validation")](const Network& network, const Json& settings) {
    return predict(calibration, network, settings, train, validation);
  };
}

/// {"device", "precision"} that are the fastest here. A GPU is of use where LibTorch knows it, which the trainer can tell.
Json found_machine(const Deciding& deciding, const Pacing& pacing) {
  const std::string& device = deciding.settled.device;
  if (device == "cpu" || !has_gpu()) return {{"device", "cpu"}, {"precision", multiplies_bf16() ? "bf16" : "float32"}};
  const TemporaryFolder scratch;
  const Json trial = {{"train", {{"device", device}}}};
  const Json found = ask_trainer(pacing.trainer, "machine", trial, "", Json::object(), scratch.path());
  if (found.at("device") == "cpu")
    deciding.on_note("there is a GPU, but this LibTorch finds none: trials train on the processor (a CUDA build of torch would train on the GPU)");
  return found;
}

int64_t measured_workers(const Deciding& deciding, const Pacing& pacing, const Json& trial, int64_t processors) {
  // Trainers on one GPU would each need its memory: at once they may fail where one after the other fits.
  if (deciding.pipeline.space.axes.empty() || processors < 2 || deciding.settled.device == "cuda") return 1;
  const Share share = measure_share(pacing, trial, processors);
  deciding.on_note(share.workers == 1
                       ? std::string("one trial at a time: more at once were not a tenth faster")
                       : fmt::format("{} trials at a time with {} each: {:.2f} times as fast as one after the other (measured)",
                                     share.workers, counted(static_cast<size_t>(share.threads), "thread"), share.gain));
  return share.workers;
}

}  // namespace

void require_machine(const Settled& settled) {
  if (settled.device == "cuda" && !has_gpu())
    fail("E3025", "the study trains on a GPU, and there is none here (no NVIDIA driver)",
         "train.device=cpu begins another study, which every machine can join");
  if (settled.device == "cpu" && settled.precision == "bf16" && !multiplies_bf16())
    fail("E3024", "the study trains in bfloat16, which this processor does not multiply (avx512_bf16)",
         "train.precision=float32 begins another study, which every machine can join");
  if (settled.device == "cpu" && settled.precision == "fp16")
    fail("E3024", "the study trains in float16, which is for GPUs, and it trains on the processor",
         "train.precision=auto begins another study, in what the machine has");
}

void settle(Deciding& deciding, Store& store, const StudyOptions& options) {
  const Pipeline& pipeline = deciding.pipeline;
  Settled& settled = deciding.settled;
  const Pacing pacing{.trainer = {.program = options.trainer, .interrupts = [&] { return options.interrupt_count(); }},
                      .folder = deciding.data.folder.parent_path() / "pace"};
  const auto kept = [&](const char* name, const std::function<Json()>& find) {
    if (const auto before = store.info(name)) return *before;
    const Json value = find();
    store.set_info(name, value);
    return value;
  };
  const auto first = [&] { return document_of(deciding, first_settings(pipeline.space), 0); };
  const auto processors = std::max<int64_t>(1, std::thread::hardware_concurrency());
  const Json& train = pipeline.resolved.at("train");
  std::optional<Json> found;  // the trainer is asked once for both
  const auto find = [&](const char* name) {
    if (!found) found = found_machine(deciding, pacing);
    return found->at(name);
  };
  for (const auto& [name, settles] : {std::pair("device", &Settled::device), std::pair("precision", &Settled::precision)}) {
    const Json asked = train.value(name, Json("auto"));
    settled.*settles = kept(name, [&] { return asked != "auto" ? asked : find(name); }).get<std::string>();
  }
  require_machine(settled);
  settled.workers = pipeline.workers > 0
                        ? pipeline.workers
                        : kept("workers", [&] { return Json(measured_workers(deciding, pacing, first(), processors)); }).get<int64_t>();
  settled.threads = kept("threads", [&] { return Json(std::max<int64_t>(1, processors / settled.workers)); }).get<int64_t>();
  if (needs_prediction(pipeline)) settled.predict = prediction(kept("calibration", [&] { return calibrate(pacing, first()); }), deciding.data);
}

Settled read_settled(const Store& store, const Preparation& data) {
  Settled settled{.threads = store.info("threads").value_or(1).get<int64_t>(),
                  .precision = store.info("precision").value_or("auto").get<std::string>(),
                  .device = store.info("device").value_or("auto").get<std::string>()};
  if (const auto calibration = store.info("calibration")) settled.predict = prediction(*calibration, data);
  return settled;
}

}  // namespace espalier
