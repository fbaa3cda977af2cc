#include "espalier/study/asking.h"

#include "espalier/error.h"
#include "espalier/study/child.h"

#include <fmt/format.h>

namespace espalier {

namespace {

Json job_of(const std::string& what, const Json& trial, const std::string& read, const Json& more, const std::filesystem::path& write) {
  Json job = {{"format", 1}, {"do", what}, {"trial", trial},
              {"attempt", {{"token", 0}, {"from", 0}, {"until", nullptr}, {"read", read}, {"write", write.string()}}}};
  job.update(more);
  return job;
}

ChildEnd carry_out(const Trainer& trainer, const Json& job, const std::filesystem::path& folder) {
  return run_child({.program = trainer.program, .log = folder / "log.txt", .interrupts = trainer.interrupts}, job, {});
}

}  // namespace

Json ask_trainer(const Trainer& trainer, const std::string& what, const Json& trial, const std::string& read, const Json& more,
                 const std::filesystem::path& scratch) {
  const ChildEnd end = carry_out(trainer, job_of(what, trial, read, more, scratch), scratch);
  if (!end.cause.empty()) fail("E4010", fmt::format("'{}' failed ({}): {}", what, end.cause, end.message));
  return end.done;
}

Json ask(const Asked& asked, const std::string& what, const Json& more) {
  const std::filesystem::path write = asked.folder / what;
  std::filesystem::create_directories(write);
  Json job = job_of(what, asked.document, asked.weights.string(), more, write);
  job["attempt"].update(more);
  const Trainer trainer{.program = asked.options.trainer, .interrupts = [&] { return asked.options.interrupt_count(); }};
  ChildEnd end;
  try {
    end = carry_out(trainer, job, write);
  } catch (const Error& error) {
    end = {.cause = "crash", .message = error.problems().front().message};
  }
  if (end.cause.empty()) return end.done;
  asked.observer.on_note(fmt::format("{} could not do '{}' ({}): {}", asked.name, what, end.cause, end.message));
  return nullptr;
}

}  // namespace espalier
