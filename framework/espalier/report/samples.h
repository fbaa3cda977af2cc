#pragma once

#include "espalier/json.h"

#include <filesystem>
#include <string>

namespace espalier::report {

/// Pictures with predicted and true answers, as the page shows them, from the predictions in `best`.
Json samples_of(const std::filesystem::path& best, const Json& trial_document);
/// {"filters", "maps", "picture"}: what the first layers hold and make of one picture, from the features in `best`.
Json features_of(const std::filesystem::path& best, const Json& trial_document);
/// [{"head", "matrix", "names"}]: every confusion matrix in best/scores.json; rows are the truth.
Json confusions_of(const Json& scores, const Json& trial_document);
/// [{"head", "true": [...], "predicted": [...]}]: every list of pairs in best/scores.json.
Json residuals_of(const Json& scores, const Json& trial_document);
/// [{"head", "rows": [{...}, ...]}]: every table of that name in best/scores.json: by_class, reliability or by_range.
Json tables_of(const Json& scores, const std::string& name, const Json& trial_document);

}  // namespace espalier::report
