#include "espalier/engine/profile.h"

#include "espalier/engine/device.h"
#include "espalier/engine/layer_clock.h"
#include "espalier/engine/stepper.h"
#include "espalier/network/analysis.h"

#include <sys/resource.h>

#include <algorithm>
#include <map>
#include <string>

namespace espalier::engine {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

/// A training step with a clock on each part; adds to `phases` and the layers' clock. `number` counts from the epoch's first;
/// pictures that grow are as large as they are at that progress.
void measure(const Json& trial, Session& session, Stepper& stepper, std::span<const int64_t> order, int64_t number, double progress,
             LayerClock& clock, std::map<std::string, double>& phases) {
  Randomness randomness = step_randomness(trial, number, 0);
  randomness.progress = progress;
  Random mix = mix_randomness(trial, number);
  randomness.rows = stepper.rows(order, number % (std::ssize(order) / stepper.length().batch));
  session.weights().clear_gradients();
  auto begin = Clock::now();
  const auto phase = [&](const char* name) {
    wait_for(session.device());
    phases[name] += seconds_since(begin);
    begin = Clock::now();
  };
  const Batch batch = session.batches().gather(randomness.rows);
  phase("data");
  const Stepper::Pass pass = stepper.forward(batch, randomness, mix, &clock);
  phase("forward");
  const at::Tensor loss = stepper.loss(batch, pass);
  phase("loss");
  clock.backward_begins();
  loss.backward();
  clock.backward_ends();
  phase("backward");
  stepper.optimizer().step(number, 1e-3);
  phase("optimizer");
}

/// Seconds that scoring a sample takes, in the batches of an evaluation; the first batch is not counted.
double evaluation_seconds(Session& session) {
  const Splits& splits = session.batches().splits();
  const std::vector<int64_t>& all = splits.validation.empty() ? splits.train : splits.validation;
  constexpr size_t kMost = 2000;
  const std::vector<int64_t> rows(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), kMost)));
  std::vector<HeadScores> scores = session.epoch_scores();
  session.score({rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(std::min<size_t>(rows.size(), 500))}, "", scores);
  const auto begin = Clock::now();
  session.score(rows, "", scores);
  return seconds_since(begin) / static_cast<double>(rows.size());
}

/// Most bytes of memory that the process ever had, its libraries among them.
int64_t peak_memory() {
  rusage usage{};
  return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss * 1024 : 0;
}

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
  const Json& trial = job.at("trial");
  Session session(trial, machine, channel);
  session.adapt();
  session.make_losses(true);
  Stepper stepper(trial, session);
  const std::vector<int64_t> order = stepper.order(0);
  const int64_t steps = std::max<int64_t>(job.value("steps", int64_t{20}), 1);
  const int64_t warming = std::min<int64_t>(steps, 5);
  LayerClock clock(session.net().layers().size(), session.device());
  std::map<std::string, double> phases;
  LayerClock unheeded = clock;
  std::map<std::string, double> unheeded_phases;
  const bool grows = std::ranges::any_of(session.net().layers(), [](const Layer& layer) { return layer.op == "growing"; });
  for (int64_t number = 0; number < warming; ++number) measure(trial, session, stepper, order, number, 1.0, unheeded, unheeded_phases);
  for (int64_t number = 0; number < steps; ++number) {
    // Pictures that grow: steps from all of the training, each first as a rehearsal, since a new size takes longer once.
    const double progress = grows ? (static_cast<double>(number) + 0.5) / static_cast<double>(steps) : 1.0;
    if (grows) measure(trial, session, stepper, order, warming + number, progress, unheeded, unheeded_phases);
    measure(trial, session, stepper, order, warming + number, progress, clock, phases);
    channel.pulse();
  }
  const auto count = static_cast<double>(steps);
  Json done = {{"steps", steps}, {"rows", stepper.length().batch}, {"step", 0.0}, {"phases", Json::object()},
               {"layers", rows_of(session.net(), clock, count)}};
  for (const auto& [name, seconds] : phases) {
    done["phases"][name] = seconds / count;
    done["step"] = done["step"].get<double>() + seconds / count;
  }
  done["memory"] = peak_memory();
  done["evaluation"] = evaluation_seconds(session);
  channel.send({{"done", done}});
}

}  // namespace espalier::engine
