#include "espalier/report/gather.h"

#include "espalier/data/stats.h"
#include "espalier/error.h"

namespace espalier::report {

namespace fs = std::filesystem;

namespace {

constexpr int64_t kPictures = 24;

Json pictures(const Prepared& prepared, const std::vector<int64_t>& rows) {
  Json out = Json::array();
  const ColumnView* image = picture_column(prepared);
  if (image == nullptr) return out;
  for (const int64_t row : sample_rows(rows, kPictures)) {
    out.push_back(picture_of(*image, row));
    out.back()["caption"] = row_caption(prepared, row);
  }
  return out;
}

/// The file before ":" of "split-51ab.h5:train", or the plain path.
fs::path split_file(const Json& splits) {
  std::string text;
  if (splits.is_string()) text = splits.get<std::string>();
  if (splits.is_object() && splits.contains("train") && splits["train"].is_string()) text = splits["train"].get<std::string>();
  if (splits.is_object() && splits.contains("file") && splits["file"].is_string()) text = splits["file"].get<std::string>();
  const size_t colon = text.rfind(':');
  return colon == std::string::npos || text.find('/', colon) != std::string::npos ? text : text.substr(0, colon);
}

}  // namespace

Json picture_of(const ColumnView& image, int64_t row) {
  const int64_t size = elements(image.shape);
  return {{"height", image.shape[0]}, {"width", image.shape[1]}, {"channels", image.shape[2]},
          {"data", base64(image.as<unsigned char>() + row * size, static_cast<size_t>(size))}};
}

CacheOfTrial open_cache(const Json& trial_document) {
  CacheOfTrial out;
  const Json data = trial_document.is_object() ? trial_document.value("data", Json::object()) : Json::object();
  if (!data.contains("cache") || !data["cache"].is_string()) return out;
  const fs::path folder = data["cache"].get<std::string>();
  try {
    out.prepared = std::make_shared<Prepared>(Prepared::open(folder));
    fs::path file = split_file(data.value("splits", Json()));
    if (file.is_relative()) file = folder / file;
    out.splits = read_splits(file);
  } catch (const Error&) {
    out.prepared = nullptr;  // the cache was cleaned away since
  }
  return out;
}

Json gather_data(const Json& trial_document) {
  const CacheOfTrial cache = open_cache(trial_document);
  if (!cache.prepared) return nullptr;
  const Prepared& prepared = *cache.prepared;
  Json out = content_stats(prepared, cache.splits);
  out["pictures"] = pictures(prepared, cache.splits.train);
  out["left_out"] = prepared.manifest().value("left_out", Json::array());
  return out;
}

}  // namespace espalier::report
