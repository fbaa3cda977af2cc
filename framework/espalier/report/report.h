#pragma once

#include "espalier/json.h"

#include <filesystem>
#include <string>

namespace espalier {

/// Writes `study`/report.html, one offline file, from the study's folder: store, best/, cache. Throws E3xxx or E2xxx.
/// `study` holds pipeline.yaml, resolved.yaml, study.db, best/{network.json, decode.json, scores.json, samples.json}.
std::filesystem::path write_report(const std::filesystem::path& study);

}  // namespace espalier
