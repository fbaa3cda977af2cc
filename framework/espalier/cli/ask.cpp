#include "espalier/cli/ask.h"

#include "espalier/cli/places.h"
#include "espalier/cli/signals.h"
#include "espalier/error.h"
#include "espalier/study/child.h"

#include <fmt/format.h>

namespace espalier::cli {

Json ask_trainer(const std::string& what, const Json& trial, const std::string& read, const Json& more, const std::filesystem::path& scratch) {
  Json job = {{"format", 1}, {"do", what}, {"trial", trial},
              {"attempt", {{"token", 0}, {"from", 0}, {"until", nullptr}, {"read", read}, {"write", scratch.string()}}}};
  job.update(more);
  listen_for_signals();
  const ChildOptions child{.program = trainer(), .log = scratch / "log.txt", .interrupts = [] { return interrupts().load(); }};
  const ChildEnd end = run_child(child, job, {});
  if (!end.cause.empty()) fail("E4010", fmt::format("'{}' failed ({}): {}", what, end.cause, end.message));
  return end.done;
}

}  // namespace espalier::cli
