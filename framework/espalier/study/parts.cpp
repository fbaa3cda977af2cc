#include "espalier/study/parts.h"

#include "espalier/data/folds.h"
#include "espalier/random.h"

#include <boost/math/distributions/students_t.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace espalier {

std::vector<Part> parts_of(const Pipeline& pipeline) {
  const int64_t folds = pipeline.folds;
  const int64_t replicates = std::max<int64_t>(1, pipeline.search.replicates);
  std::vector<Part> out;
  if (folds == 0 && replicates == 1) return out;
  for (int64_t fold = 0; fold < std::max<int64_t>(1, folds); ++fold)
    for (int64_t replicate = 0; replicate < replicates; ++replicate) {
      std::string name = folds > 0 ? fmt::format("fold {}", fold + 1) : "";
      if (replicates > 1) name += fmt::format("{}seed {}", name.empty() ? "" : ", ", replicate + 1);
      out.push_back({.name = name, .fold = folds > 0 ? fold : -1, .replicate = replicate});
    }
  return out;
}

Json part_document(const Json& trial, const Part& part, const Pipeline& pipeline, const Preparation& data) {
  Json out = trial;
  out["part"] = part.name;
  if (part.fold >= 0) out["data"]["splits"] = fold_splits(pipeline.data, data, part.fold, pipeline.folds).string();
  // The first replicate has the seeds of a trial without replicates.
  if (part.replicate > 0)
    for (auto& [stream, seed] : out["seeds"].items())
      seed = std::to_string(derive_seed(std::stoull(seed.get<std::string>()), fmt::format("replicate {}", part.replicate)));
  return out;
}

Metrics mean_scores(const std::vector<TrialRecord>& parts, const std::string& objective) {
  Metrics out;
  if (parts.empty()) return out;
  const auto count = static_cast<double>(parts.size());
  for (const auto& [name, unused] : parts.front().scores) {
    if (!std::ranges::all_of(parts, [&name = name](const TrialRecord& part) { return part.scores.contains(name); })) continue;
    double sum = 0.0;
    for (const TrialRecord& part : parts) sum += part.scores.at(name);
    out[name] = sum / count;
  }
  if (const auto mean = out.find(objective); mean != out.end() && parts.size() > 1) {
    double squares = 0.0;
    for (const TrialRecord& part : parts) squares += std::pow(part.scores.at(objective) - mean->second, 2);
    out[kSpread] = std::sqrt(squares / (count - 1.0));
  }
  out["parts"] = count;
  return out;
}

double interval_of_mean(double deviation, int64_t count) {
  const boost::math::students_t distribution(static_cast<double>(count - 1));
  return boost::math::quantile(distribution, 0.975) * deviation / std::sqrt(static_cast<double>(count));
}

bool has_validation(const Pipeline& pipeline) {
  const Json data = pipeline.resolved.value("data", Json::object());
  return data.value("split", Json::object()).value("validation", Json()) != Json("none");
}

}  // namespace espalier
