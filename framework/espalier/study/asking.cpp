#include "espalier/study/asking.h"

#include "espalier/error.h"
#include "espalier/study/child.h"

#include <fmt/format.h>

namespace espalier {

Json ask_trainer(const Trainer& trainer, const std::string& what, const Json& trial, const std::string& read, const Json& more,
                 const std::filesystem::path& scratch) {
  Json job = {{"format", 1}, {"do", what}, {"trial", trial},
              {"attempt", {{"token", 0}, {"from", 0}, {"until", nullptr}, {"read", read}, {"write", scratch.string()}}}};
  job.update(more);
  const ChildOptions child{.program = trainer.program, .log = scratch / "log.txt", .interrupts = trainer.interrupts};
  const ChildEnd end = run_child(child, job, {});
  if (!end.cause.empty()) fail("E4010", fmt::format("'{}' failed ({}): {}", what, end.cause, end.message));
  return end.done;
}

Json ask(const Asked& asked, const std::string& what, const Json& more) {
  const std::filesystem::path write = asked.folder / what;
  std::filesystem::create_directories(write);
  Json job{{"format", 1}, {"do", what}, {"trial", asked.document},
           {"attempt", {{"token", 0}, {"from", 0}, {"until", nullptr}, {"read", asked.weights.string()}, {"write", write.string()}}}};
  job.update(more);
  job["attempt"].update(more);
  const ChildOptions child{.program = asked.options.trainer, .log = write / "log.txt", .interrupts = [&] { return asked.options.interrupt_count(); }};
  ChildEnd end;
  try {
    end = run_child(child, job, {});
  } catch (const Error& error) {
    end = {.cause = "crash", .message = error.problems().front().message};
  }
  if (end.cause.empty()) return end.done;
  asked.observer.on_note(fmt::format("{} could not do '{}' ({}): {}", asked.name, what, end.cause, end.message));
  return nullptr;
}

}  // namespace espalier
