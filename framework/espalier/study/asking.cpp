#include "espalier/study/asking.h"

#include "espalier/error.h"
#include "espalier/study/child.h"

#include <fmt/format.h>

namespace espalier {

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
