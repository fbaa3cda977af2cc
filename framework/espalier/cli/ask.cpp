#include "espalier/cli/ask.h"

#include "espalier/cli/places.h"
#include "espalier/cli/signals.h"

namespace espalier::cli {

namespace {

/// The trainer of this program, which signals stop.
Trainer signalled_trainer() {
  listen_for_signals();
  return {.program = trainer(), .interrupts = [] { return interrupts().load(); }};
}

}  // namespace

Json ask_trainer(const std::string& what, const Json& trial, const std::string& read, const Json& more, const std::filesystem::path& scratch) {
  return espalier::ask_trainer(signalled_trainer(), what, trial, read, more, scratch);
}

Pacing pacing() { return {.trainer = signalled_trainer(), .folder = cache_folder() / "pace"}; }

}  // namespace espalier::cli
