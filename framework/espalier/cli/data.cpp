#include "espalier/cli/data_check.h"
#include "espalier/cli/data_stats.h"
#include "espalier/cli/data_views.h"
#include "espalier/cli/places.h"
#include "espalier/cli/signals.h"
#include "espalier/cli/terminal.h"
#include "espalier/data/fetch.h"
#include "espalier/data/files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

int ls(const Call& call) {
  Json out = Json::array();
  Table table{.headers = {"data set", "what it is", "here"}};
  for (const DatasetInfo& info : list_datasets(dataset_paths())) {
    out.push_back({{"name", info.name}, {"about", info.description}, {"licence", info.licence}, {"source", info.source},
                   {"folder", info.folder.string()}});
    table.rows.push_back({info.name, info.description, info.folder.empty() ? "no" : info.folder.string()});
  }
  if (call.json())
    print_json({{"datasets", out}});
  else
    fmt::print("{}", render(table, terminal_width(stdout)));
  return 0;
}

/// Shows what long work is at, and makes Ctrl-C end it with a word on how to go on.
Progress progress_line(bool live) {
  exit_on_signals("interrupted; nothing is left half done: the same command goes on");
  return [live, last = std::string()](const std::string& what, double fraction) mutable {
    const std::string line = live ? fmt::format("\r\033[K{} {:3.0f} %", what, fraction * 100.0) : what + "\n";
    if (line != last) fmt::print(stderr, "{}", line);
    last = line;
  };
}

Json to_json(const Preparation& p) {
  return {{"folder", p.folder.string()}, {"key", p.key}, {"splits", p.splits.string()}, {"splits_key", p.splits_key},
          {"built", p.built}, {"seconds", p.seconds}, {"why", p.reason}, {"left_out", p.left_out}};
}

void print_left_out(const Json& left_out) {
  if (!left_out.is_array()) return;
  for (const Json& entry : left_out) {
    fmt::print("left out {}: {}\n", entry.value("count", Json(0)).dump(), entry.value("cause", ""));
    for (const Json& example : entry.value("examples", Json::array())) fmt::print("  {}\n", format_value(example));
  }
}

int prepare(const Call& call) {
  const Registry registry = scan_registry(call);
  Pipeline pipeline = load(call, registry);
  pipeline.data.verify = call.has("verify");
  const bool live = is_terminal(stderr);
  const Preparation preparation = prepare_data(pipeline.data, readers_of(registry), progress_line(live));
  if (live) fmt::print(stderr, "\r\033[K");
  if (call.json()) {
    print_json(to_json(preparation));
    return 0;
  }
  fmt::print("{} in {}: {}\n", preparation.built ? "built" : "found", format_seconds(preparation.seconds),
             preparation.folder.string());
  if (!preparation.reason.empty()) fmt::print("why: {}\n", preparation.reason);
  print_left_out(preparation.left_out);
  return 0;
}

int why(const Call& call) {
  const Registry registry = scan_registry(call);
  Pipeline pipeline = load(call, registry);
  pipeline.data.verify = call.has("verify");
  const Preparation preparation = explain_data(pipeline.data, readers_of(registry));
  if (call.json())
    print_json(to_json(preparation));
  else
    fmt::print("{} {}\n{}", preparation.built ? "will be built:" : "ready:", preparation.key,
               preparation.reason.empty() ? "" : "why: " + preparation.reason + "\n");
  return 0;
}

int fetch(const Call& call) {
  const std::string& name = call.word(0, "the data set's name");
  const bool live = is_terminal(stderr);
  const fs::path folder = fetch_dataset(name, dataset_paths(), call.value("from"), progress_line(live));
  if (live) fmt::print(stderr, "\r\033[K");
  if (call.json())
    print_json({{"dataset", name}, {"folder", folder.string()}});
  else
    fmt::print("{}\n", folder.string());
  return 0;
}

int check(const Call& call) {
  const Registry registry = scan_registry(call);
  Pipeline pipeline = load(call, registry);
  pipeline.data.verify = true;
  const Preparation preparation = prepare_data(pipeline.data, readers_of(registry), progress_line(false));
  const Json found = check_content(Prepared::open(preparation.folder), read_splits(preparation.splits));
  if (call.json()) {
    print_json(found);
    return 0;
  }
  for (const Json& entry : found["duplicates"]) {
    fmt::print("{}: {} pictures stand twice in one split, {} in two splits\n", entry["column"].get<std::string>(),
               entry["within_splits"].dump(), entry["across_splits"].dump());
    for (const Json& example : entry["examples"]) fmt::print("  {}\n", format_value(example));
  }
  for (const Json& entry : found["ranges"])
    fmt::print("{}: {} to {}, {} missing\n", entry["column"].get<std::string>(), format_value(entry["least"]),
               format_value(entry["most"]), entry["missing"].dump());
  for (const Json& entry : found["absent_classes"])
    fmt::print("{}: the {} split has no '{}'\n", entry["column"].get<std::string>(), entry["split"].get<std::string>(),
               entry["class"].get<std::string>());
  print_left_out(preparation.left_out);
  return 0;
}

bool describes_dataset(const std::string& name) {
  return std::ranges::any_of(list_datasets(dataset_paths()), [&](const DatasetInfo& info) { return info.name == name; });
}

/// All of a dataset as it is described: its own splits; pictures of any size are brought to one.
DataRequest request_of_dataset(const std::string& name, const FindReader& readers) {
  DataRequest out{.data = {{"dataset", name}, {"split", {{"validation", "none"}}}},
                  .dataset_paths = dataset_paths(),
                  .cache = cache_folder(),
                  .pipeline_folder = fs::current_path()};
  const DataSketch sketch = sketch_data(out, readers);
  if (!sketch.has_test) out.data["split"]["test"] = "none";
  constexpr int kSide = 64;
  for (const Column& column : sketch.columns) {
    if (column.kind != ColumnKind::image) continue;
    // Rows without another value stay: what is missing is counted.
    out.used.push_back(column.name);
    if (!out.images) out.images.emplace();
    out.images->push_back(column.name);
    if (column.shape.empty()) out.data["prepare"] = {"rgb", {{"resize", {{"size", {kSide, kSide}}}}}};
  }
  if (out.images) std::ranges::sort(*out.images);
  return out;
}

Look look_of(std::FILE* stream) {
  const char* colours = std::getenv("COLORTERM");
  const std::string depth = colours == nullptr ? "" : colours;
  return {.width = std::min(terminal_width(stream), 120), .colour = wants_colour(stream),
          .true_colour = depth == "truecolor" || depth == "24bit", .blocks = speaks_utf8()};
}

constexpr int64_t kInDocument = 48;   ///< samples of a split
constexpr int64_t kInTerminal = 8;
constexpr int64_t kInSheet = 10;      ///< samples with views
constexpr size_t kSheetInTerminal = 4;
constexpr int64_t kViews = 8;

int stats(const Call& call) {
  const std::string& name = call.word(0, "a pipeline or a data set");
  const Registry registry = scan_registry(call);
  const FindReader readers = readers_of(registry);
  const bool whole = describes_dataset(name);
  if (whole && call.has("views")) fail("E0002", fmt::format("'{}' is a data set, and only a pipeline says how pictures are changed", name));
  const std::optional<Pipeline> pipeline = whole ? std::nullopt : std::optional(load(call, registry));
  const DataRequest request = whole ? request_of_dataset(name, readers) : pipeline->data;
  const Preparation preparation = prepare_data(request, readers, progress_line(is_terminal(stderr)));
  if (is_terminal(stderr)) fmt::print(stderr, "\r\033[K");
  const Prepared prepared = Prepared::open(preparation.folder);
  const Splits splits = read_splits(preparation.splits);
  const std::vector<std::string> shown = whole ? std::vector<std::string>() : request.used;
  const std::string title = fs::path(name).stem().string();
  Json found = content_stats(prepared, splits, shown);
  if (call.has("svg"))
    write_file_safely(call.value("svg"), stats_svg(title, found, prepared, sample_rows(splits.train, kInDocument), shown));
  std::vector<ViewSheet> sheets;
  if (call.has("views")) {
    sheets = training_views(*pipeline, registry, preparation, sample_rows(splits.train, kInSheet), kViews);
    write_file_safely(call.value("views"), views_svg(title, sheets));
  }
  if (call.json()) {
    found["left_out"] = preparation.left_out;
    print_json(found);
    return 0;
  }
  const Look look = look_of(stdout);
  fmt::print("{}{}", stats_text(found, look),
             sheets.empty() ? sheet_text(prepared, sample_rows(splits.train, kInTerminal), shown, look) : views_text(sheets, kSheetInTerminal, look));
  print_left_out(preparation.left_out);
  return 0;
}

}  // namespace

std::vector<Verb> data_verbs() {
  const Flag verify{.name = "verify", .doc = "reads every input file again, whatever is remembered of it"};
  const std::string arguments = "PIPELINE [PATH=VALUE | ~PATH ...]";
  return {
      {"data ls", "data sets that have a description", "", "espalier data ls", {}, ls},
      {"data fetch", "downloads a data set, or takes it from a folder or an archive", "DATASET", "espalier data fetch cifar10 --from archives",
       {{"from", "folder or archive to take it from", "PATH"}}, fetch},
      {"data prepare", "builds the cache of a pipeline's data, or finds it", arguments,
       "espalier data prepare cifar10_classifier", {verify}, prepare},
      {"data why", "says whether the cache is there, and which part of its key differs if not", arguments,
       "espalier data why cifar10_classifier", {verify}, why},
      {"data check", "reads all again: broken files, duplicates and leaks between splits, ranges, absent classes", arguments,
       "espalier data check cifar10_classifier", {}, check},
      {"data stats", "class balance of each split or a target's histogram, and a sheet of samples", "PIPELINE|DATASET [PATH=VALUE | ~PATH ...]",
       "espalier data stats fashion_mnist --svg fashion.svg",
       {{"svg", "also draws it into a file that any browser shows", "FILE"},
        {"views", "draws samples beside what a training sees of them in its epochs (needs a pipeline)", "FILE"}}, stats},
  };
}

}  // namespace espalier::cli
