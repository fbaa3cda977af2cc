#pragma once

#include "espalier/json.h"

#include <filesystem>

namespace espalier::cli {

/// The trainer's last word on a job "do": `what` about a trial. `read` are weights, or ""; `more` joins the job; files come
/// into `scratch`. Throws E4010 with the cause.
Json ask_trainer(const std::string& what, const Json& trial, const std::string& read, const Json& more, const std::filesystem::path& scratch);

}  // namespace espalier::cli
