#pragma once

#include "espalier/json.h"
#include "espalier/study/pace.h"

#include <filesystem>

namespace espalier::cli {

/// The trainer's last word on a job, as study/asking.h has it.
Json ask_trainer(const std::string& what, const Json& trial, const std::string& read, const Json& more, const std::filesystem::path& scratch);

/// Where this machine's paces are kept.
Pacing pacing();

}  // namespace espalier::cli
