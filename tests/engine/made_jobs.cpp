#include "made_jobs.h"

#include <fstream>
#include <iterator>

namespace espalier::test {

Value trunk(Network& net) {
  Value x = net.input("image", {1, 8, 8}, "uint8");
  x = net.normalize(x);
  x = net.random_translate(x, 0.125, 0.125);
  x = net.relu(net.batch_norm(net.conv(x, {.filters = 6})));
  x = net.max_pool(x, {.kernel = 3, .stride = 2, .padding = Padding::same});
  return net.dropout(net.flatten(x), 0.2);
}

Json class_network() {
  Network net;
  net.output({.head = "label", .target = "label", .layer = net.dense(trunk(net), 2).layer,
              .loss = {{"name", "cross_entropy"}, {"label_smoothing", 0.1}}, .metrics = {"accuracy"},
              .decode = {{"kind", "class"}, {"activation", "softmax"}, {"names", {"left", "right"}}}});
  return net.to_json();
}

Json number_network() {
  Network net;
  net.output({.head = "brightness", .target = "brightness", .layer = net.dense(trunk(net), 1).layer, .loss = {{"name", "mse"}},
              .metrics = {"mse"}, .decode = {{"kind", "number"}}});
  return net.to_json();
}

Json job_for(const Json& data, const Json& network, const std::string& metric, bool maximize) {
  const Json train = {{"epochs", {{"count", 4}}}, {"batch", 16}, {"threads", 1}, {"precision", "float32"},
                      {"optimizer", {{"name", "adam"}, {"learning_rate", 0.01}}},
                      {"schedule", {{"name", "cosine"}, {"warmup", 0.1}}}, {"average", {{"name", "ema"}, {"decay", 0.9}}}};
  return {{"format", 1}, {"do", "train"},
          {"trial", {{"network", network}, {"data", data}, {"train", train}, {"objective", {{"metric", metric}, {"maximize", maximize}}},
                     {"seeds", {{"init", "1"}, {"order", "2"}, {"augment", "3"}, {"dropout", "4"}}}}},
          {"attempt", {{"from", 0}, {"until", nullptr}, {"read", ""}, {"write", ""}}}};
}

Json writing_to(Json job, const std::filesystem::path& folder) {
  job["attempt"]["write"] = folder.string();
  return job;
}

Json going_on_from(Json job, const Outcome& outcome) {
  const std::filesystem::path folder = job["attempt"]["write"].get<std::string>();
  job["attempt"]["read"] = (folder / outcome.last("checkpoint").at("checkpoint").get<std::string>()).string();
  return job;
}

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

Json evaluating(Json job, const Outcome& trained, const std::string& split) {
  job["do"] = "evaluate";
  job["split"] = split;
  job["attempt"]["read"] = trained.last("done").at("done").at("weights");
  return job;
}

}  // namespace espalier::test
