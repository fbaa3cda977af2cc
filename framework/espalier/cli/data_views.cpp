#include "espalier/cli/data_views.h"

#include "espalier/cli/ask.h"
#include "espalier/data/files.h"
#include "espalier/error.h"

#include <fmt/format.h>

#include <fstream>

namespace espalier::cli {

namespace {

/// A sheet from the bytes that the trainer wrote: rows, columns, height, width and channels.
ViewSheet read_sheet(const Json& told) {
  const auto shape = told.at("shape").get<std::vector<int64_t>>();
  ViewSheet sheet{.from = told.at("from").get<std::string>(), .captions = {}, .rows = {}};
  std::ifstream in(told.at("file").get<std::string>(), std::ios::binary);
  for (int64_t row = 0; row < shape.at(0); ++row) {
    sheet.rows.emplace_back();
    for (int64_t column = 0; column < shape.at(1); ++column) {
      Picture picture{.height = shape.at(2), .width = shape.at(3), .channels = shape.at(4), .pixels = {}};
      picture.pixels.resize(static_cast<size_t>(picture.height * picture.width * picture.channels));
      in.read(reinterpret_cast<char*>(picture.pixels.data()), static_cast<std::streamsize>(picture.pixels.size()));
      sheet.rows.back().push_back(std::move(picture));
    }
  }
  require(in.good(), "E4011", "the trainer wrote too few pictures");
  return sheet;
}

}  // namespace

std::vector<ViewSheet> training_views(const Pipeline& pipeline, const Registry& registry, const Preparation& preparation,
                                      const std::vector<int64_t>& rows, int64_t views) {
  const Json trial = trial_document(pipeline, first_settings(pipeline.space), registry, preparation, "", 0);
  const TemporaryFolder scratch;
  const Json done = ask_trainer("views", trial, "", {{"rows", rows}, {"views", views}}, scratch.path());
  const Prepared prepared = Prepared::open(preparation.folder);
  std::vector<ViewSheet> sheets;
  for (const Json& told : done.at("sheets")) {
    sheets.push_back(read_sheet(told));
    for (const int64_t row : rows) sheets.back().captions.push_back(row_caption(prepared, row, pipeline.data.used));
  }
  require(!sheets.empty(), "E2205", "the network takes no pictures, so that there are no views of any");
  return sheets;
}

}  // namespace espalier::cli
