#include "espalier/testing/checks.h"

#include "espalier/data/files.h"
#include "espalier/registry/child.h"
#include "espalier/testing/covering.h"
#include "espalier/testing/reading.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <fstream>

namespace espalier {

namespace fs = std::filesystem;

namespace {

/// Done to a copy of one input file.
struct Damage {
  std::string name;  ///< completes "with a.bin ..."
  void (*apply)(const fs::path& file);
};

void randomize(const fs::path& file) {
  Random random(1);
  constexpr int64_t kByte = 256;
  std::string bytes(fs::file_size(file), '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.below(kByte));
  std::ofstream(file, std::ios::binary) << bytes;
}

const std::vector<Damage>& damages() {
  static const std::vector<Damage> all = {
      {"cut to half", [](const fs::path& file) { fs::resize_file(file, fs::file_size(file) / 2); }},
      {"emptied", [](const fs::path& file) { fs::resize_file(file, 0); }},
      {"replaced by random bytes", randomize},
      {"removed", [](const fs::path& file) { fs::remove(file); }}};
  return all;
}

/// Files that hold a picture each: one that is damaged is left out, whatever the reader.
bool is_picture_name(const fs::path& file) {
  std::string end = file.extension().string();
  std::ranges::transform(end, end.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const std::vector<std::string> known = {".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"};
  return std::ranges::find(known, end) != known.end();
}

/// An example of a reader, and a copy of it that may be damaged.
class Example {
 public:
  Example(const ReaderType& reader, const fs::path& folder, std::chrono::seconds patience)
      : reader_(reader), original_(folder), patience_(patience), copy_(copied_.path() / "example"),
        settings_(read_json_file(folder / "settings.json")) {
    require(settings_.is_object(), "E0111",
            fmt::format("'{}' is no JSON object of the reader's settings", (folder / "settings.json").string()));
    fs::copy(folder, copy_, fs::copy_options::recursive);
  }

  std::vector<std::string> check() {
    const Reading whole = read(true);
    std::vector<std::string> wrong = whole.wrong;
    wrong.insert(wrong.end(), whole.errors.begin(), whole.errors.end());
    if (!wrong.empty()) return wrong;
    if (whole.rows == 0) return {"the example has no rows"};
    const Reading again = read(false);
    if (again.content != whole.content || again.said != whole.said) wrong.emplace_back("reading it twice gives two results");
    for (const std::string& input : whole.inputs)
      for (const Damage& damage : damages()) {
        // The example may be read-only, and a copy is as its original.
        fs::permissions(copy_ / input, fs::perms::owner_write, fs::perm_options::add);
        damage.apply(copy_ / input);
        const Reading damaged = read(false);
        fs::remove(copy_ / input);
        fs::copy_file(original_ / input, copy_ / input);
        for (const std::string& why : judge(whole, damaged, input, damage.name == "removed"))
          wrong.push_back(fmt::format("with {} {}: {}", input, damage.name, why));
      }
    return wrong;
  }

 private:
  Reading read(bool parallel) const {
    const auto work = [&] {
      // A length from a damaged file must not take the machine down; sanitizers reserve terabytes of addresses.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
      constexpr rlim_t kMemory = rlim_t{4} << 30;
      const rlimit memory{kMemory, kMemory};
      setrlimit(RLIMIT_AS, &memory);
#endif
      return read_folder(reader_, settings_, copy_, parallel).to_json();
    };
    const Answer answer = ask_child(work, "while it read", patience_);
    if (!answer.died.empty()) return {.wrong = {answer.died}};
    return Reading::from_json(answer.document);
  }

  /// What is wrong with what a reader makes of a damaged file.
  static std::vector<std::string> judge(const Reading& whole, const Reading& damaged, const std::string& input, bool removed) {
    if (!damaged.wrong.empty()) return damaged.wrong;
    const bool picture = is_picture_name(input);
    if (!damaged.errors.empty()) {
      if (picture) return {"one damaged picture is left out (Rejected), but all was refused: " + damaged.errors.front()};
      return {};
    }
    const std::string name = fs::path(input).filename().string();
    const bool known = std::ranges::any_of(whole.said, [&](const std::string& said) { return said.find(name) != std::string::npos; });
    // A list of what lies in a folder is shorter then, and there is nothing to be said.
    const bool shorter = removed && picture && damaged.rows < whole.rows;
    if (damaged.said != whole.said || known || shorter) return {};
    return {damaged.content == whole.content ? "it says nothing" : "it says nothing and gives other samples"};
  }

  const ReaderType& reader_;
  fs::path original_;
  std::chrono::seconds patience_;
  TemporaryFolder copied_;
  fs::path copy_;
  Json settings_;
};

std::vector<std::string> check_nowhere(const ReaderType& reader) {
  const fs::path nowhere = fs::temp_directory_path() / ("espalier-no-such-folder-" + std::to_string(getpid()));
  try {
    reader.open(default_settings(reader.declaration), nowhere);
    return {"opens a folder that does not exist"};
  } catch (const Error&) {
    return {};
  } catch (const std::exception& error) {
    return {fmt::format("threw what is no espalier::Error where there is no folder: {}", error.what())};
  }
}

}  // namespace

std::vector<std::string> check_reader(const ReaderType& reader, const std::optional<fs::path>& example, std::chrono::seconds patience) {
  std::vector<std::string> wrong = check_nowhere(reader);
  if (reader.version < 1) wrong.push_back(fmt::format("has version {}, versions start at 1", reader.version));
  if (example) {
    try {
      for (std::string& sentence : Example(reader, *example, patience).check()) wrong.push_back(std::move(sentence));
    } catch (const Error& error) {
      wrong.push_back(error.problems().front().message);
    }
  }
  for (std::string& sentence : wrong) sentence = fmt::format("reader '{}': {}", reader.name, sentence);
  return wrong;
}

}  // namespace espalier
