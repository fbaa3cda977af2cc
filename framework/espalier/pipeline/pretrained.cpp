#include "espalier/pipeline/pretrained.h"

#include "espalier/data/hash.h"
#include "espalier/data/safetensors.h"
#include "espalier/network/analysis.h"
#include "espalier/pipeline/build.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

namespace espalier {

namespace {

/// "stage2" of "stage2/block1/conv1.weight"; what has no part below is one of its own.
std::string first_part(const std::string& name) {
  const size_t slash = name.find('/');
  return slash == std::string::npos ? "" : name.substr(0, slash);
}

std::string shown_part(const std::string& part) { return part.empty() ? "the block itself" : part; }

std::filesystem::path absolute_path(const Pipeline& pipeline, const std::string& text) {
  return (std::filesystem::current_path() / pipeline.data.pipeline_folder / text).lexically_normal();
}

/// {"mean", "std", "size", "interpolation"} of a file's metadata, or null.
Json preprocessing_of(const TensorHeader& header) {
  const std::string text = header.metadata.value("espalier.preprocessing", std::string());
  if (text.empty()) return {};
  const Json json = Json::parse(text, nullptr, false);
  const bool good = json.is_object() && json.value("mean", Json()).is_array() && json.value("std", Json()).is_array() &&
                    json["mean"].size() == json["std"].size() && !json["mean"].empty();
  require(good, "E0214", "the metadata 'espalier.preprocessing' is not {\"mean\": [...], \"std\": [...], ...}");
  return json;
}

/// One node's file against its layers.
class Match {
 public:
  Match(const Network& network, const std::string& node, const std::filesystem::path& file)
      : network_(network), wanted_(named_weights(network, node)), header_(read_tensor_header(file)) {
    out_.node = node;
    out_.file = file;
    out_.sha256 = sha256_of_file(file);
  }

  Pretrained run(const std::string& hash) {
    if (!hash.empty() && hash != out_.sha256)
      problem("E0214", fmt::format("'{}' has the SHA-256 {}, not {}", out_.file.string(), out_.sha256, hash));
    tensors();
    pixels();
    if (!problems_.empty()) throw Error(problems_);
    return std::move(out_);
  }

 private:
  void problem(const std::string& code, const std::string& message, const std::string& hint = "") {
    problems_.push_back({.code = code, .message = message, .hint = hint});
    if (const auto made = header_.metadata.find("espalier.block"); made != header_.metadata.end())
      problems_.back().notes.push_back(fmt::format("the file was made for {}", made->get<std::string>()));
  }

  void tensors() {
    std::set<std::string> present;
    for (const NamedWeight& weight : wanted_)
      if (header_.tensors.contains(weight.name)) present.insert(first_part(weight.name));
    std::vector<std::string> names;
    for (const auto& [name, tensor] : header_.tensors) names.push_back(name);
    std::map<std::string, std::pair<size_t, int64_t>> loaded;
    std::map<std::string, std::pair<size_t, int64_t>> anew;
    for (const NamedWeight& weight : wanted_) {
      const std::string part = first_part(weight.name);
      const auto found = header_.tensors.find(weight.name);
      const bool lacks = found == header_.tensors.end();
      if (lacks && (present.contains(part) || present.empty())) {
        const std::string near = nearest(weight.name, names);
        return problem("E0215",
                       fmt::format("'{}' has no tensor '{}' {} for '{}'", out_.file.string(), weight.name, to_string(weight.shape), out_.node),
                       near.empty() ? "" : fmt::format("the nearest is '{}' {}", near, to_string(header_.tensors.at(near).shape)));
      }
      auto& [count, numbers] = (lacks ? anew : loaded)[part];
      ++count;
      numbers += elements(weight.shape);
      if (lacks) continue;
      used_.insert(weight.name);
      check(weight, found->second);
      out_.loaded.emplace_back(weight.key, weight.name);
    }
    if (wanted_.empty()) return problem("E0215", fmt::format("'{}' has no weights to load", out_.node));
    report(loaded, anew);
  }

  void check(const NamedWeight& weight, const TensorHeader::Tensor& tensor) {
    if (tensor.shape != weight.shape)
      problem("E0216", fmt::format("tensor '{}' of '{}' is {}, '{}' wants {}", weight.name, out_.file.string(), to_string(tensor.shape), out_.node,
                                   to_string(weight.shape)));
    else if (tensor.dtype != "F32")
      problem("E0216", fmt::format("tensor '{}' of '{}' is of {}; only F32 is read", weight.name, out_.file.string(), tensor.dtype));
  }

  using Counts = std::map<std::string, std::pair<size_t, int64_t>>;

  void report(const Counts& loaded, const Counts& anew) {
    const auto add = [this](const std::string& what, const Counts& counts) {
      for (const auto& [part, count] : counts)
        out_.report.push_back(fmt::format("{} {}: {} tensors, {} numbers", what, shown_part(part), count.first, count.second));
    };
    out_.report.push_back(fmt::format("{} of the block's {} tensors are in the file, which has {}", out_.loaded.size(), wanted_.size(),
                                      header_.tensors.size()));
    add("loaded", loaded);
    add("not in the file, begins anew:", anew);
    Counts unused;
    for (const auto& [name, tensor] : header_.tensors) {
      if (used_.contains(name)) continue;
      auto& [count, numbers] = unused[first_part(name)];
      ++count;
      numbers += elements(tensor.shape);
    }
    add("in the file, not used:", unused);
  }

  void pixels() {
    const Json wanted = preprocessing_of(header_);
    if (wanted.is_null()) return;
    for (const Layer& layer : network_.layers()) {
      if (!is_within(layer.from, out_.node)) continue;
      for (const int source : layer.in) {
        const Layer& before = network_.layers()[static_cast<size_t>(source)];
        if (is_within(before.from, out_.node)) continue;
        if (const std::string why = why_other_pixels(network_, source, wanted); !why.empty())
          return problem("E0217", fmt::format("the weights of '{}' do not fit its input: {}", out_.node, why),
                         fmt::format("put {{block: normalization, mean: {}, std: {}}} before it", wanted["mean"].dump(), wanted["std"].dump()));
        out_.report.push_back(fmt::format("made for pictures of {} pixels ({}), normalised as in the graph; here they are {}",
                                          wanted.value("size", Json("any")).dump(), wanted.value("interpolation", std::string("any interpolation")),
                                          to_string(before.shape)));
      }
    }
  }

  const Network& network_;
  std::vector<NamedWeight> wanted_;
  TensorHeader header_;
  Pretrained out_;
  std::set<std::string> used_;
  std::vector<Problem> problems_;
};

/// A common setting of a node's block under these settings; "" where it is not written and has no default.
std::string word_of(const Pipeline& pipeline, const Settings& settings, const std::string& node, const char* name) {
  const Json& resolved = pipeline.resolved.at("graph").at(node);
  if (!resolved.contains(name)) return "";
  return settled(pipeline, resolved.at(name), node + "." + name, settings).get<std::string>();
}

}  // namespace

std::vector<Pretrained> find_pretrained(const Pipeline& pipeline, const Settings& settings, const Network& network,
                                        const OnPretrainedProblem& on_problem) {
  std::vector<Pretrained> all;
  for (const std::string& node : pipeline.order) {
    const std::string path = word_of(pipeline, settings, node, "weights");
    if (path.empty() || path == "none") continue;
    const std::filesystem::path file = absolute_path(pipeline, path);
    if (std::error_code error; !std::filesystem::exists(file, error)) {
      on_problem(node, {.code = "E0219", .message = fmt::format("there is no file '{}'", file.string()),
                        .hint = "tools/weights makes such files of weights that others have published"});
      continue;
    }
    try {
      all.push_back(Match(network, node, file).run(word_of(pipeline, settings, node, "weights_sha256")));
    } catch (const Error& error) {
      for (const Problem& problem : error.problems()) on_problem(node, problem);
    }
  }
  return all;
}

std::vector<Pretrained> find_pretrained(const Pipeline& pipeline, const Settings& settings, const Network& network) {
  std::vector<Problem> problems;
  std::vector<Pretrained> all =
      find_pretrained(pipeline, settings, network, [&](const std::string&, const Problem& problem) { problems.push_back(problem); });
  if (!problems.empty()) throw Error(problems);
  return all;
}

Json to_document(const std::vector<Pretrained>& all) {
  Json out = Json::array();
  for (const Pretrained& one : all) {
    Json tensors = Json::object();
    for (const auto& [key, name] : one.loaded) tensors[key] = name;
    out.push_back({{"node", one.node}, {"file", one.file.string()}, {"sha256", one.sha256}, {"tensors", tensors}});
  }
  return out;
}

Json weights_hashes(const Pipeline& pipeline) {
  Json out = Json::object();
  const auto add = [&](const Json& path) {
    if (path.is_string() && path != "none") out[path.get<std::string>()] = sha256_of_file(absolute_path(pipeline, path.get<std::string>()));
  };
  const Json graph = pipeline.resolved.value("graph", Json::object());
  for (const Json& node : graph) {
    const Json weights = node.value("weights", Json());
    add(weights);
    if (weights.is_object() && weights.contains("tune"))
      for (const Json& path : weights["tune"]) add(path);
  }
  return out;
}

}  // namespace espalier
