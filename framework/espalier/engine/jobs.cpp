#include "espalier/engine/jobs.h"

#include "espalier/engine/details.h"
#include "espalier/engine/device.h"
#include "espalier/error.h"

#include <ATen/core/grad_mode.h>

#include <filesystem>
#include <fstream>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace espalier::engine {

namespace {

std::string split_of(const Json& job) {
  if (job.contains("split")) return job["split"].get<std::string>();
  return job.at("attempt").value("split", std::string("test"));
}

std::string views_of(const Json& job) {
  return job.at("trial").value("train", Json::object()).value("test_views", std::string("none"));
}

/// The field of a job, written beside "do" or in the attempt.
Json field(const Json& job, const char* name) {
  if (job.contains(name)) return job[name];
  return job.at("attempt").value(name, Json());
}

void write_json(const std::filesystem::path& file, const Json& content) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream out(file);
  out << content.dump() << '\n';
  require(out.flush().good(), "E0418", "cannot write " + file.string());
}

Json row_of(const Output& output, const at::Tensor& values) {
  Json numbers = Json::array();
  for (int64_t i = 0; i < values.numel(); ++i) numbers.push_back(values[i].item<float>());
  if (answer_of(output) != Answer::number) return {{"probabilities", numbers}};
  return {{"number", numbers.size() == 1 ? numbers[0] : numbers}};
}

std::vector<uint8_t> read_bytes(const std::string& path, int64_t count) {
  std::vector<uint8_t> bytes(static_cast<size_t>(count));
  std::ifstream in(path, std::ios::binary);
  in.read(reinterpret_cast<char*>(bytes.data()), count);
  require(in.gcount() == count, "E2091", path + " holds fewer than " + std::to_string(count) + " bytes");
  return bytes;
}

/// The name of the input of a network that has one. Throws E2091.
std::string only_input(const Network& net) {
  std::vector<std::string> names;
  for (const Layer& layer : net.layers())
    if (layer.op == "input") names.push_back(layer.set.at("name").get<std::string>());
  require(names.size() == 1, "E2091", "the network takes " + std::to_string(names.size()) + " inputs, and pictures alone are one");
  return names.front();
}

void append_predictions(Session& session, const Inputs& inputs, std::span<const int64_t> rows, bool of_data, Json& all) {
  const std::vector<at::Tensor> values = session.outputs(inputs);
  std::vector<at::Tensor> answers;
  for (size_t i = 0; i < values.size(); ++i)
    answers.push_back(decode(session.net().outputs()[i], values[i].to(at::kFloat), session.weights()).cpu().contiguous());
  for (size_t r = 0; r < rows.size(); ++r) {
    Json record = {{"row", rows[r]}};
    if (of_data) record["origin"] = session.batches().prepared().origin(rows[r]);
    for (size_t i = 0; i < answers.size(); ++i)
      record["heads"][session.net().outputs()[i].head] = row_of(session.net().outputs()[i], answers[i][static_cast<int64_t>(r)]);
    all.push_back(record);
  }
}

/// Numbers of a plane, scaled to 0..255 between its least and its greatest.
Json plane(const at::Tensor& values) {
  const at::Tensor low = values.min();
  const at::Tensor range = (values.max() - low).clamp_min(1e-12);
  const at::Tensor bytes = ((values - low) / range * 255.0).round().to(at::kLong).cpu().contiguous();
  Json rows = Json::array();
  for (int64_t y = 0; y < bytes.size(0); ++y) {
    const auto* from = bytes.data_ptr<int64_t>() + y * bytes.size(1);
    rows.push_back(std::vector<int64_t>(from, from + bytes.size(1)));
  }
  return rows;
}

Json planes(const at::Tensor& values) {
  Json all = Json::array();
  for (int64_t i = 0; i < values.size(0); ++i) all.push_back(plane(values[i]));
  return all;
}

}  // namespace

void evaluate(const Json& job, const Machine& machine, Channel& channel) {
  Session session(job.at("trial"), machine, channel);
  session.load(job.at("attempt").at("read").get<std::string>());
  session.make_losses(false);
  session.keep_still_values();
  session.average_views(views_of(job));
  const std::string split = split_of(job);
  const std::vector<int64_t>& rows = session.batches().split(split);
  std::vector<HeadScores> heads = session.all_scores();
  const std::vector<Output>& outputs = session.net().outputs();
  Json done = session.score(rows, split == "validation" ? "val_" : split + "_", heads);
  done["rows"] = rows.size();
  const bool single = outputs.size() == 1;
  const auto put = [&](const std::string& what, const Output& output, const Json& value) {
    if (single) {
      done[what] = value;
    } else {
      done[what][output.head] = value;
    }
  };
  for (size_t i = 0; i < outputs.size() && !rows.empty(); ++i) {
    const at::Tensor train = session.batches().target(outputs[i].head, session.batches().splits().train);
    put("baseline", outputs[i], baseline(outputs[i], train, session.batches().target(outputs[i].head, rows)));
    const Json found = details(outputs[i], heads[i].answers());
    for (const auto& [what, value] : found.items()) put(what, outputs[i], value);
  }
  channel.send({{"done", done}});
}

void predict(const Json& job, const Machine& machine, Channel& channel) {
  const at::NoGradGuard no_gradients;
  Session session(job.at("trial"), machine, channel);
  session.load(job.at("attempt").at("read").get<std::string>());
  session.average_views(views_of(job));
  Json all = Json::array();
  const Json given = field(job, "pictures");
  if (given.is_object()) {
    const Shape shape = given.at("shape").get<Shape>();
    require(shape.size() == 4, "E2091", "the shape of pictures is [N, H, W, C]");
    const std::vector<uint8_t> bytes = read_bytes(given.at("path").get<std::string>(), elements(shape));
    const std::string name = only_input(session.net());
    std::vector<int64_t> rows(static_cast<size_t>(shape[0]));
    std::iota(rows.begin(), rows.end(), 0);
    in_parts(rows, channel, [&](std::span<const int64_t> part) {
      const at::Tensor some = sent_to(session.device(), pictures(bytes.data(), {shape[1], shape[2], shape[3]}, part));
      append_predictions(session, {{name, some}}, part, false, all);
    });
  } else {
    const Json asked = field(job, "rows");
    const std::vector<int64_t> rows = asked.is_array() ? asked.get<std::vector<int64_t>>()
                                                       : session.batches().split(asked.is_string() ? asked.get<std::string>() : split_of(job));
    for (const int64_t row : rows)
      require(row >= 0 && row < session.batches().prepared().rows(), "E2092", "there is no row " + std::to_string(row));
    in_parts(rows, channel, [&](std::span<const int64_t> part) { append_predictions(session, session.batches().inputs(part), part, true, all); });
  }
  const std::filesystem::path file = std::filesystem::path(job.at("attempt").at("write").get<std::string>()) / "predictions.json";
  write_json(file, {{"format", 1}, {"predictions", all}});
  channel.send({{"done", {{"rows", all.size()}, {"file", file.string()}}}});
}

void features(const Json& job, const Machine& machine, Channel& channel) {
  const at::NoGradGuard no_gradients;
  Session session(job.at("trial"), machine, channel);
  session.load(job.at("attempt").at("read").get<std::string>());
  std::vector<int> convolutions;
  const std::vector<Layer>& layers = session.net().layers();
  for (size_t i = 0; i < layers.size() && convolutions.size() < 2; ++i)
    if (layers[i].op == "conv") convolutions.push_back(static_cast<int>(i));
  const Json asked = field(job, "row");
  const Splits& splits = session.batches().splits();
  const std::vector<int64_t>& some = splits.test.empty() ? splits.train : splits.test;
  const std::vector<int64_t> row = {asked.is_number() ? asked.get<int64_t>() : some.at(0)};
  Json result = {{"format", 1}, {"row", row[0]}, {"filters", Json::array()}, {"maps", Json::array()}};
  if (!convolutions.empty()) {
    const Layer& first = layers[static_cast<size_t>(convolutions[0])];
    const at::Tensor filters = session.weights().get(first.id, "weight").to(at::kFloat);
    for (int64_t i = 0; i < filters.size(0); ++i) result["filters"].push_back(planes(filters[i]));
    const std::vector<at::Tensor> values = session.executor().run(session.batches().inputs(row), convolutions, nullptr);
    for (size_t i = 0; i < values.size(); ++i) {
      const Layer& layer = layers[static_cast<size_t>(convolutions[i])];
      result["maps"].push_back({{"layer", layer.id}, {"from", layer.from}, {"planes", planes(values[i][0].to(at::kFloat))}});
    }
  }
  const std::filesystem::path file = std::filesystem::path(job.at("attempt").at("write").get<std::string>()) / "features.json";
  write_json(file, result);
  channel.send({{"done", {{"file", file.string()}, {"row", row[0]}}}});
}

}  // namespace espalier::engine
