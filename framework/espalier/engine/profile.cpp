#include "espalier/engine/profile.h"

#include "espalier/engine/layer_clock.h"
#include "espalier/engine/optimizer.h"
#include "espalier/network/analysis.h"
#include "espalier/random.h"

#include <algorithm>
#include <map>
#include <string>

namespace espalier::engine {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

/// Training steps with a clock on each part.
class Measured {
 public:
  Measured(const Json& trial, Session& session)
      : trial_(trial),
        session_(session),
        settings_(trial.at("train")),
        optimizer_(settings_.value("optimizer", Json{{"name", "sgd"}}), static_cast<int64_t>(session.weights().parameters().size()),
                   session.weights().segments(settings_.value("groups", Json::array()))),
        order_(shuffled(session.batches().splits().train, seed_of(trial, "order"), 0)),
        batch_(std::min(static_cast<size_t>(settings_.value("batch", int64_t{256})), order_.size())) {
    if (order_.empty()) throw Failure{"data", "the training split", "it holds no row: look at the pipeline's split and take"};
  }

  size_t batch() const { return batch_; }

  /// Adds to `phases` and the clock.
  void step(int64_t number, LayerClock& clock, std::map<std::string, double>& phases) {
    const auto seed = static_cast<uint64_t>(number);
    Randomness randomness(derive_seed(seed_of(trial_, "augment"), seed), derive_seed(seed_of(trial_, "dropout"), seed));
    const size_t batches = order_.size() / batch_;
    randomness.rows = std::span<const int64_t>(order_).subspan(static_cast<size_t>(number) % batches * batch_, batch_);
    session_.weights().clear_gradients();
    auto begin = Clock::now();
    const auto phase = [&](const char* name) {
      phases[name] += seconds_since(begin);
      begin = Clock::now();
    };
    const Batch batch = session_.batches().gather(randomness.rows);
    phase("data");
    const std::vector<at::Tensor> values = session_.executor().run(batch.inputs, session_.output_layers(), &randomness, &clock);
    phase("forward");
    const at::Tensor loss = session_.loss(values, batch.targets, batch.importance);
    phase("loss");
    clock.backward_begins();
    loss.backward();
    clock.backward_ends();
    phase("backward");
    optimizer_.step(session_.weights().parameters(), session_.weights().gradients(), 1e-3, 1.0);
    phase("optimizer");
  }

 private:
  const Json& trial_;
  Session& session_;
  Json settings_;
  Optimizer optimizer_;
  std::vector<int64_t> order_;
  size_t batch_;
};

Json rows_of(const Network& net, const LayerClock& clock, double steps) {
  Json rows = Json::array();
  for (size_t i = 0; i < net.layers().size(); ++i) {
    const Layer& layer = net.layers()[i];
    if (clock.forward()[i] == 0.0) continue;
    rows.push_back({{"layer", layer.id}, {"op", layer.op}, {"from", layer.from}, {"shape", layer.shape},
                    {"macs", cost(layer, net).macs}, {"forward", clock.forward()[i] / steps}, {"backward", clock.backward()[i] / steps}});
  }
  return rows;
}

}  // namespace

void profile(const Json& job, const Machine& machine, Channel& channel) {
  Session session(job.at("trial"), machine, channel);
  session.adapt();
  session.make_losses(true);
  Measured measured(job.at("trial"), session);
  const int64_t steps = std::max<int64_t>(job.value("steps", int64_t{20}), 1);
  const int64_t warming = std::min<int64_t>(steps, 5);
  LayerClock clock(session.net().layers().size());
  std::map<std::string, double> phases;
  for (int64_t number = 0; number < warming + steps; ++number) {
    if (number == warming) {
      clock = LayerClock(session.net().layers().size());
      phases.clear();
    }
    measured.step(number, clock, phases);
    channel.pulse();
  }
  const auto count = static_cast<double>(steps);
  Json done = {{"steps", steps}, {"rows", measured.batch()}, {"step", 0.0}, {"phases", Json::object()},
               {"layers", rows_of(session.net(), clock, count)}};
  for (const auto& [name, seconds] : phases) {
    done["phases"][name] = seconds / count;
    done["step"] = done["step"].get<double>() + seconds / count;
  }
  channel.send({{"done", done}});
}

}  // namespace espalier::engine
