#include "espalier/engine/device.h"
#include "espalier/engine/jobs.h"
#include "espalier/engine/mix.h"
#include "espalier/engine/pixels.h"
#include "espalier/error.h"
#include "espalier/network/operations.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <limits>

namespace espalier::engine {

namespace {

/// Layers of pictures whose values leave the part of the network that knows pixels.
std::vector<int> picture_layers(const Network& net) {
  const std::vector<bool> pixels = give_pixels(net.layers());
  std::vector<int> layers;
  for (const Layer& layer : net.layers()) {
    if (!pixels[static_cast<size_t>(layer.id)] || layer.shape.size() != 3) continue;
    bool leaves = false;
    for (const Layer& reader : net.layers())
      leaves = leaves || (!pixels[static_cast<size_t>(reader.id)] && std::ranges::find(reader.in, layer.id) != reader.in.end());
    if (leaves) layers.push_back(layer.id);
  }
  return layers;
}

/// Values between black and white as bytes (B, H, W, C).
at::Tensor as_bytes(const at::Tensor& x, const PixelScale& scale) {
  const auto channels = static_cast<int64_t>(scale.black.size());
  const at::Tensor black = at::tensor(scale.black).view({1, 1, 1, channels});
  const at::Tensor white = at::tensor(scale.white).view({1, 1, 1, channels});
  const at::Tensor share = (x.to(at::kFloat).cpu().permute({0, 2, 3, 1}) - black) / (white - black);
  return (share * 255.0).round().clamp(0.0, 255.0).to(at::kByte);
}

}  // namespace

void views(const Json& job, const Machine& machine, Channel& channel) {
  const at::NoGradGuard no_gradients;
  const Json& trial = job.at("trial");
  Session session(trial, machine, channel);
  session.adapt();
  const Mixer mixer(trial.value("train", Json::object()).value("mix", Json("none")));
  const auto rows = job.at("rows").get<std::vector<int64_t>>();
  const auto count = job.at("views").get<int64_t>();
  const std::vector<int> layers = picture_layers(session.net());
  const Inputs inputs = session.batches().inputs(rows);
  std::vector<std::vector<at::Tensor>> columns(layers.size());
  double fastest = std::numeric_limits<double>::infinity();
  const auto look = [&](Randomness* randomness) {
    wait_for(session.device());
    const auto begin = std::chrono::steady_clock::now();
    const std::vector<at::Tensor> values = session.executor().run(inputs, layers, randomness);
    wait_for(session.device());
    if (randomness != nullptr)
      fastest = std::min(fastest, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
    for (size_t i = 0; i < layers.size(); ++i)
      columns[i].push_back(as_bytes(values[i], pixel_scale(session.net(), session.weights(), layers[i])));
  };
  look(nullptr);
  for (int64_t view = 0; view < count; ++view) {
    Randomness randomness = step_randomness(trial, view, view);
    Random mix = mix_randomness(trial, view);
    const std::optional<Mixing> mixing = mixer.draw(inputs, mix);
    randomness.mixing = mixing ? &*mixing : nullptr;
    randomness.rows = rows;
    look(&randomness);
  }
  Json sheets = Json::array();
  for (size_t i = 0; i < layers.size(); ++i) {
    const at::Tensor sheet = at::stack(columns[i], 1).contiguous();
    const std::filesystem::path file =
        std::filesystem::path(job.at("attempt").at("write").get<std::string>()) / ("views-" + std::to_string(i) + ".bytes");
    std::ofstream out(file, std::ios::binary);
    out.write(reinterpret_cast<const char*>(sheet.const_data_ptr<uint8_t>()), sheet.numel());
    require(out.flush().good(), "E0418", "cannot write " + file.string());
    sheets.push_back(
        {{"from", session.net().layers()[static_cast<size_t>(layers[i])].from}, {"file", file.string()}, {"shape", sheet.sizes().vec()}});
  }
  channel.send({{"done", {{"sheets", sheets}, {"milliseconds", count > 0 ? Json(fastest) : Json()}}}});
}

}  // namespace espalier::engine
