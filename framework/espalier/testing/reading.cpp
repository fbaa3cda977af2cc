#include "espalier/testing/reading.h"

#include "espalier/data/hash.h"
#include "espalier/error.h"

#include <boost/core/demangle.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <typeinfo>

namespace espalier {

namespace fs = std::filesystem;

namespace {

std::string described(const std::exception& error) {
  return fmt::format("{}: {}", boost::core::demangle(typeid(error).name()), error.what());
}

/// Does `work`; an Error goes to `errors`, what else is thrown is wrong.
template <class Work>
void guarded(Reading& out, const std::string& what, const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    out.errors.push_back(what + ": " + error.problems().front().message);
  } catch (const std::exception& error) {
    out.wrong.push_back(fmt::format("{} threw what is no espalier::Error: {}", what, described(error)));
  } catch (const Rejected& rejected) {
    out.wrong.push_back(fmt::format("{} threw Rejected ({}), which only 'picture' may; rows that are left out go to 'rejected'", what,
                                    rejected.cause));
  } catch (...) {
    out.wrong.push_back(what + " threw something that is no exception");
  }
}

/// All that tells one column from another before its values are known.
std::string declared(const Column& column) {
  return fmt::format("{} column '{}' with names [{}], shape {} and unit '{}'", to_string(column.kind), column.name, join(column.names),
                     to_string(column.shape), column.unit);
}

void check_sketch(Reading& out, const std::vector<Column>& sketched, const std::vector<Column>& opened) {
  for (size_t i = 0; i < std::max(sketched.size(), opened.size()); ++i) {
    const std::string promised = i < sketched.size() ? declared(sketched[i]) : "nothing";
    const std::string found = i < opened.size() ? declared(opened[i]) : "nothing";
    if (promised != found) out.wrong.push_back(fmt::format("sketch and open disagree: sketch has {}, open has {}", promised, found));
  }
}

void check_inputs(Reading& out, const std::vector<fs::path>& inputs, const fs::path& folder) {
  if (inputs.empty()) out.wrong.push_back("the sketch names no input file, so nobody would notice that the data changed");
  for (const fs::path& file : inputs) {
    const fs::path name = file.lexically_normal().lexically_relative(folder.lexically_normal());
    const std::string input = fmt::format("input '{}' of the sketch", name.empty() ? file.string() : name.string());
    if (name.empty() || *name.begin() == "..") out.wrong.push_back(input + " lies outside of the folder");
    else if (!fs::is_regular_file(file)) out.errors.push_back(input + " is no file");
    else if (std::ranges::find(out.inputs, name.string()) != out.inputs.end()) out.wrong.push_back(input + " stands there twice");
    else out.inputs.push_back(name.string());
  }
}

void check_numbers(Reading& out, const Column& column, int64_t rows) {
  const size_t width = column.kind == ColumnKind::number ? 1 : column.names.size();
  const size_t expected = static_cast<size_t>(rows) * width;
  if (column.numbers.size() != expected)
    out.wrong.push_back(fmt::format("column '{}' has {} numbers for {} rows of {}", column.name, column.numbers.size(), rows, width));
  if (column.kind != ColumnKind::class_labels) return;
  const auto wrong = std::ranges::find_if(column.numbers, [](double v) { return !std::isnan(v) && v != 0.0 && v != 1.0; });
  if (wrong == column.numbers.end()) return;
  out.wrong.push_back(fmt::format("column '{}' has {} where 0 or 1 says whether a class is there", column.name, *wrong));
}

void check_labels(Reading& out, const Column& column, int64_t rows) {
  if (std::ssize(column.labels) != rows)
    out.wrong.push_back(fmt::format("column '{}' has {} labels for {} rows", column.name, column.labels.size(), rows));
  const auto wrong = std::ranges::find_if(column.labels, [&](int64_t v) { return v < -1 || v >= std::ssize(column.names); });
  if (wrong != column.labels.end())
    out.wrong.push_back(
        fmt::format("column '{}' has label {}; it has {} classes, and -1 is a missing one", column.name, *wrong, column.names.size()));
  if (std::set(column.names.begin(), column.names.end()).size() != column.names.size())
    out.wrong.push_back(fmt::format("column '{}' has two classes of one name: {}", column.name, join(column.names)));
  if (column.name != "split") return;
  for (const std::string& name : column.names)
    if (name != "train" && name != "validation" && name != "test")
      out.wrong.push_back(fmt::format("column 'split' has '{}'; its names are train, validation and test", name));
}

void check_columns(Reading& out, const Samples& samples) {
  std::set<std::string> names;
  for (const Column& column : samples.columns()) {
    if (column.name.empty()) out.wrong.emplace_back("there is a column without a name");
    else if (!names.insert(column.name).second) out.wrong.push_back(fmt::format("there are two columns '{}'", column.name));
    switch (column.kind) {
      case ColumnKind::image: break;
      case ColumnKind::class_label: check_labels(out, column, samples.rows()); break;
      case ColumnKind::id:
        if (std::ssize(column.ids) != samples.rows())
          out.wrong.push_back(fmt::format("column '{}' has {} texts for {} rows", column.name, column.ids.size(), samples.rows()));
        break;
      default: check_numbers(out, column, samples.rows());
    }
  }
}

void check_origins(Reading& out, const Samples& samples) {
  std::set<std::string> seen;
  for (int64_t row = 0; row < samples.rows(); ++row) {
    const std::string origin = samples.origin(row);
    if (origin.empty()) out.wrong.push_back(fmt::format("row {} has no origin", row));
    else if (!seen.insert(origin).second) out.wrong.push_back(fmt::format("two rows come from '{}'; an origin tells one row", origin));
  }
}

/// A picture as text: equal texts are equal pictures.
std::string fingerprint(const Picture& picture) {
  Sha256 hash;
  hash.add(picture.pixels.data(), picture.pixels.size());
  return fmt::format("{} x {} x {} {}", picture.height, picture.width, picture.channels, hash.hex());
}

std::string why_not_a_picture(const Picture& picture, const Shape& shape) {
  if (picture.channels != 1 && picture.channels != 3) return fmt::format("has {} channels; 1 is grey, 3 is RGB", picture.channels);
  if (picture.height < 1 || picture.width < 1) return fmt::format("is {} x {} pixels", picture.height, picture.width);
  if (std::ssize(picture.pixels) != picture.height * picture.width * picture.channels)
    return fmt::format("has {} values; {} x {} x {} are {}", picture.pixels.size(), picture.height, picture.width, picture.channels,
                       picture.height * picture.width * picture.channels);
  const Shape own = {picture.channels, picture.height, picture.width};
  return shape.empty() || shape == own ? "" : fmt::format("is {}; its column says {}", to_string(own), to_string(shape));
}

/// "" for a picture that keeps the laws, "refused" for a Rejected one; else what is wrong. `text` is its fingerprint or its cause.
std::string decode(const Samples& samples, const Column& column, int64_t row, std::string& text) {
  try {
    const Picture picture = samples.picture(column.name, row);
    text = fingerprint(picture);
    return why_not_a_picture(picture, column.shape);
  } catch (const Rejected& rejected) {
    text = rejected.cause;
    return rejected.cause.empty() ? "was refused without a cause" : "refused";
  } catch (const std::exception& error) {
    return "threw what is no Rejected: " + described(error);
  } catch (...) {
    return "threw something that is no Rejected";
  }
}

/// Decodes all pictures of all columns; one sentence a column for what is wrong.
std::vector<std::string> decode_all(Reading& out, const Samples& samples) {
  std::vector<std::string> texts;
  for (const Column& column : samples.columns()) {
    if (column.kind != ColumnKind::image) continue;
    bool told = false;
    for (int64_t row = 0; row < samples.rows(); ++row) {
      const std::string origin = samples.origin(row);
      std::string& text = texts.emplace_back();
      const std::string why = decode(samples, column, row, text);
      if (why == "refused") out.said.push_back(text + ": " + origin);
      else if (!why.empty() && !std::exchange(told, true)) out.wrong.push_back(fmt::format("picture '{}' of '{}' {}", column.name, origin, why));
    }
  }
  return texts;
}

/// The same pictures from several threads, each in its own order.
void check_threads(Reading& out, const Samples& samples, const std::vector<std::string>& expected) {
  constexpr size_t kThreads = 4;
  std::mutex guard;
  std::optional<std::string> other;
  const auto work = [&](size_t first) {
    std::vector<const Column*> images;
    for (const Column& column : samples.columns())
      if (column.kind == ColumnKind::image) images.push_back(&column);
    const auto rows = static_cast<size_t>(samples.rows());
    for (size_t n = 0; n < expected.size(); ++n) {
      const size_t i = (n + first * expected.size() / kThreads) % expected.size();
      std::string text;
      decode(samples, *images[i / rows], static_cast<int64_t>(i % rows), text);
      const std::scoped_lock lock(guard);
      if (text != expected[i]) other = samples.origin(static_cast<int64_t>(i % rows));
    }
  };
  {
    std::vector<std::jthread> threads;
    for (size_t i = 0; i < kThreads; ++i) threads.emplace_back(work, i);
  }
  if (other) out.wrong.push_back(fmt::format("the picture of '{}' is another one when several threads decode at once", *other));
}

void add_content(Sha256& hash, const Samples& samples) {
  for (const Column& column : samples.columns()) {
    hash.add(declared(column));
    hash.add(column.numbers.data(), column.numbers.size() * sizeof(double));
    hash.add(column.labels.data(), column.labels.size() * sizeof(int64_t));
    hash.add(Json(column.ids).dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  for (int64_t row = 0; row < samples.rows(); ++row) hash.add(samples.origin(row) + "\n");
}

void check_samples(Reading& out, const Samples& samples, bool parallel) {
  out.rows = samples.rows();
  check_columns(out, samples);
  check_origins(out, samples);
  for (const Rejected& rejected : samples.rejected()) {
    if (rejected.cause.empty()) out.wrong.push_back(fmt::format("'{}' was left out without a cause", rejected.detail));
    out.said.push_back(rejected.cause + ": " + rejected.detail);
  }
  const std::vector<std::string> pictures = decode_all(out, samples);
  if (parallel) check_threads(out, samples, pictures);
  Sha256 hash;
  add_content(hash, samples);
  for (const std::string& picture : pictures) hash.add(picture + "\n");
  out.content = hash.hex();
}

}  // namespace

Json Reading::to_json() const {
  return {{"wrong", wrong}, {"errors", errors}, {"said", said}, {"inputs", inputs}, {"rows", rows}, {"content", content}};
}

Reading Reading::from_json(const Json& document) {
  return {.wrong = document.at("wrong"), .errors = document.at("errors"), .said = document.at("said"), .inputs = document.at("inputs"),
          .rows = document.at("rows"), .content = document.at("content")};
}

Reading read_folder(const ReaderType& reader, const Json& settings, const fs::path& folder, bool parallel) {
  Reading out;
  std::optional<std::vector<Column>> sketched;
  guarded(out, "sketch", [&] {
    const Sketch sketch = reader.sketch(settings, folder);
    sketched = sketch.columns;
    check_inputs(out, sketch.inputs, folder);
  });
  guarded(out, "open", [&] {
    const std::unique_ptr<Samples> samples = reader.open(settings, folder);
    if (sketched) check_sketch(out, *sketched, samples->columns());
    check_samples(out, *samples, parallel);
  });
  return out;
}

}  // namespace espalier
