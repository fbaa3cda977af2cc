#include <espalier/reader.h>

#include <pictures.h>

#include <algorithm>

using namespace espalier;
namespace fs = std::filesystem;

namespace {

struct Params {
  std::string folder = ".";
};

/// What a file manager or an editor leaves is nobody's picture.
bool is_hidden(const fs::path& path) { return path.filename().native().starts_with('.'); }

std::vector<fs::path> folders_in(const fs::path& folder) {
  require(fs::is_directory(folder), "E2101", "there is no folder '" + folder.string() + "'");
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_directory() && !is_hidden(entry.path())) out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  return out;
}

/// All files below a folder, sorted.
std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> out;
  for (auto entry = fs::recursive_directory_iterator(folder); entry != fs::recursive_directory_iterator(); ++entry) {
    if (is_hidden(entry->path())) entry.disable_recursion_pending();
    else if (entry->is_regular_file()) out.push_back(entry->path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

/// Pictures with their classes, and with their splits if the top folders are named after splits.
struct Listing {
  std::vector<fs::path> files;
  std::vector<fs::path> others;  ///< files in class folders that are no pictures by their names
  Column label{.name = "label", .kind = ColumnKind::class_label};
  Column split{.name = "split", .kind = ColumnKind::class_label};
};

void add_classes(Listing& out, const std::vector<fs::path>& classes) {
  for (const fs::path& folder : classes) {
    const std::string name = folder.filename().string();
    auto& names = out.label.names;
    const auto it = std::find(names.begin(), names.end(), name);
    const int64_t label = it - names.begin();
    if (it == names.end()) names.push_back(name);
    for (const fs::path& file : files_below(folder)) {
      if (!pictures::is_picture(file)) {
        out.others.push_back(file);
        continue;
      }
      out.files.push_back(file);
      out.label.labels.push_back(label);
    }
  }
}

Listing list(const fs::path& folder) {
  Listing out;
  const std::vector<fs::path> top = folders_in(folder);
  const auto is_split = [](const fs::path& f) { return f.filename() == "train" || f.filename() == "test" || f.filename() == "validation"; };
  if (std::any_of(top.begin(), top.end(), [](const fs::path& f) { return f.filename() == "train"; }) &&
      std::all_of(top.begin(), top.end(), is_split)) {
    for (const fs::path& f : top) {
      add_classes(out, folders_in(f));
      out.split.names.push_back(f.filename().string());
      out.split.labels.resize(out.files.size(), static_cast<int64_t>(out.split.names.size()) - 1);
    }
  } else {
    add_classes(out, top);
  }
  require(!out.files.empty(), "E2105", "'" + folder.string() + "' has no pictures in sub-folders named after their classes");
  return out;
}

std::vector<Column> columns_of(const Listing& listing) {
  std::vector<Column> out = {{.name = "image", .kind = ColumnKind::image}, listing.label};
  if (!listing.split.names.empty()) out.push_back(listing.split);
  return out;
}

class FolderSamples : public Samples {
 public:
  explicit FolderSamples(fs::path folder) : folder_(std::move(folder)), listing_(list(folder_)), columns_(columns_of(listing_)) {
    for (const fs::path& file : listing_.others) rejected_.push_back({pictures::kUnknownFormat, name_of(file)});
  }
  int64_t rows() const override { return static_cast<int64_t>(listing_.files.size()); }
  const std::vector<Column>& columns() const override { return columns_; }
  Picture picture(const std::string&, int64_t row) const override { return pictures::decode(listing_.files[static_cast<size_t>(row)]); }
  std::string origin(int64_t row) const override { return name_of(listing_.files[static_cast<size_t>(row)]); }
  const std::vector<Rejected>& rejected() const override { return rejected_; }

 private:
  std::string name_of(const fs::path& file) const { return file.lexically_relative(folder_).generic_string(); }

  fs::path folder_;
  Listing listing_;
  std::vector<Column> columns_;
  std::vector<Rejected> rejected_;
};

/// One sub-folder a class; above them, if wanted, folders train, test and validation.
struct ImageFolder {
  using Params = ::Params;
  static constexpr auto doc = "pictures in one sub-folder a class, with train, test and validation above them if wanted";
  static constexpr int64_t version = 2;

  static Schema<Params> schema() { return {{"folder", &Params::folder, "folder that holds the sub-folders"}}; }
  static Sketch sketch(const Params& p, const fs::path& folder) {
    Listing listing = list(folder / p.folder);
    // What is left out is part of what is said of a cache.
    listing.files.insert(listing.files.end(), listing.others.begin(), listing.others.end());
    return {.columns = columns_of(listing), .inputs = std::move(listing.files)};
  }
  static std::unique_ptr<Samples> open(const Params& p, const fs::path& folder) { return std::make_unique<FolderSamples>(folder / p.folder); }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.reader<ImageFolder>("image_folder"); }
