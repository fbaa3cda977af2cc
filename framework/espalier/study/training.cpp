#include "espalier/study/training.h"

#include "espalier/error.h"
#include "espalier/pipeline/measures.h"
#include "espalier/study/child.h"
#include "espalier/study/clock.h"
#include "espalier/study/files.h"
#include "espalier/study/parts.h"
#include "espalier/study/refit.h"
#include "espalier/study/winner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace espalier {

namespace {

/// A lease is renewed so many times before it would run out.
constexpr double kRenewals = 6.0;

Metrics numbers_of(const Json& object) {
  Metrics out;
  if (!object.is_object()) return out;
  for (const auto& [name, value] : object.items())
    if (value.is_number()) out[name] = value.get<double>();
  return out;
}

/// One attempt at one training.
class Attempt {
 public:
  Attempt(const TrainingContext& context, const Lease& lease, const TrainingOrder& order)
      : context_(context), pipeline_(context.pipeline), options_(context.options), store_(context.store), lease_(lease), order_(order),
        before_(store_.trial(lease.trial, lease.part).value()), document_(store_.document(lease.trial, lease.part)),
        attempt_(fmt::format("{}/attempts/{}", training_folder(lease.trial, lease.part), lease.token)) {}

  bool run() {
    std::error_code error;
    std::filesystem::create_directories(options_.folder / attempt_, error);
    if (error) fail("E3021", fmt::format("cannot create '{}': {}", (options_.folder / attempt_).string(), error.message()));
    write_file(options_.folder / training_folder(lease_.trial, lease_.part) / "trial.json", document_.dump(1));
    try {
      const ChildEnd end = train(child_options(), train_job(), listener());
      save_spent();
      return record_end(end);
    } catch (const Fenced&) {
      context_.observer.on_note(fmt::format("trial {} is another worker's now, as nothing was heard of this one for long", lease_.trial));
      return true;
    }
  }

 private:
  /// The lease is lost: whatever else is learnt is refused.
  struct Fenced {};

  /// A trainer that talks nonsense has failed its trial, and not the study.
  static ChildEnd train(const ChildOptions& child, const Json& job, const std::function<void(const Json&)>& on_message) {
    const Clock::time_point begun = Clock::now();
    std::string nonsense;
    try {
      return run_child(child, job, on_message);
    } catch (const Json::exception& error) {
      nonsense = error.what();
    } catch (const Error& error) {
      if (error.problems().front().code != "E4002") throw;
      nonsense = error.problems().front().message;
    }
    return {.cause = "crash", .message = "the trainer's messages make no sense: " + nonsense, .done = {}, .seconds = seconds_since(begun)};
  }

  ChildOptions child_options() {
    constexpr double kLeast = 0.001;  // 0 would mean no limit
    const Search& search = pipeline_.search;
    ChildOptions child{.program = options_.trainer, .log = options_.folder / attempt_ / "log.txt", .interrupts = context_.interrupts,
                       .on_tick = [this] { keep_lease(); }};
    if (search.limit_seconds > 0 && order_.in_budget) child.limit_seconds = std::max(kLeast, search.limit_seconds - before_.seconds);
    // What a trainer on a GPU holds of the processor's memory is the driver's, not the network's.
    if (document_.at("train").value("device", std::string()) != "cuda") child.limit_bytes = search.limit_bytes;
    if (search.budget_seconds > 0 && order_.in_budget) child.stop_seconds = std::max(kLeast, search.trial_seconds() - context_.spent());
    return child;
  }

  Json train_job() const {
    const TrialRecord trial = store_.trial(lease_.trial, lease_.part).value();
    const auto absolute = [this](const std::string& below) { return std::filesystem::absolute(options_.folder / below).string(); };
    return {{"format", 1}, {"do", "train"}, {"trial", document_},
            {"attempt", {{"token", lease_.token}, {"from", static_cast<int64_t>(trial.epochs)}, {"until", order_.until},
                         {"read", trial.checkpoint.empty() ? "" : absolute(trial.checkpoint)}, {"write", absolute(attempt_)}}}};
  }

  /// Records what a trainer tells while it works.
  std::function<void(const Json&)> listener() {
    return [this, done = before_.epochs](const Json& message) mutable {
      context_.observer.on_pulse();
      if (message.contains("hello")) context_.on_hello(message["hello"]);
      if (message.contains("warning") && message["warning"].is_string())
        context_.observer.on_note(fmt::format("trial {}: {}", lease_.trial, message["warning"].get<std::string>()));
      bool held = true;
      if (message.contains("epoch") && message.contains("metrics")) {
        EpochRecord epoch{.epoch = message["epoch"].get<int64_t>(), .metrics = numbers_of(message["metrics"])};
        if (message.contains("seconds")) epoch.metrics["seconds"] = message["seconds"].get<double>();
        done = static_cast<double>(epoch.epoch);
        held = store_.record_epoch(lease_, epoch);
        context_.observer.on_epoch(before_, epoch);
        save_spent();
      }
      if (message.contains("checkpoint")) {
        const std::string path = below_folder(message["checkpoint"].get<std::string>());
        held = held && store_.record_checkpoint(lease_, path, message.value("sha256", ""), message.value("epochs", done));
      }
      if (!held) throw Fenced{};
    };
  }

  /// What is outside the budget is not counted: a study that is prolonged has all of it for trials.
  void save_spent() const {
    if (order_.in_budget) context_.save_spent();
  }

  /// The worker's heartbeat, whatever the trainer does: a trainer that hangs is ended for its silence.
  void keep_lease() {
    if (seconds_since(renewed_) < options_.lease_seconds / kRenewals) return;
    renewed_ = Clock::now();
    const bool held =
        store_.renew(lease_, options_.lease_seconds) && (order_.whole == nullptr || store_.renew(*order_.whole, options_.lease_seconds));
    if (!held) throw Fenced{};
  }

  /// A file named by the trainer, absolute or below its attempt, as a path below the study's folder.
  std::string below_folder(const std::filesystem::path& file) const {
    if (file.is_relative()) return (attempt_ / file).string();
    return file.lexically_relative(std::filesystem::absolute(options_.folder)).string();
  }

  bool record_end(const ChildEnd& end) {
    if (end.cause.empty()) {
      finish(numbers_of(end.done), end);
      return true;
    }
    if (end.cause != "interrupted") {
      store_.fail(lease_, end.cause, end.message, end.seconds);
      return true;
    }
    if (context_.interrupts() > 0 || !order_.keeps_partial) {
      store_.release(lease_, end.seconds);
      return false;
    }
    // The time budget ended it: what it has reached counts.
    const Metrics scores = scored_epoch();
    if (scores.empty()) {
      store_.release(lease_, end.seconds);
    } else {
      context_.observer.on_note(
          fmt::format("trial {} was stopped by the time budget: its {} epoch counts", lease_.trial, last_counts() ? "last" : "best"));
      finish(scores, collect(end));
    }
    return true;
  }

  /// Lets the trainer write the weights of the best epoch of a trial that was stopped: it is told to go on until where it
  /// stands. If that fails, the end is as it was, and the checkpoint is what there is.
  ChildEnd collect(ChildEnd end) {
    const TrialRecord trial = store_.trial(lease_.trial, lease_.part).value();
    if (trial.checkpoint.empty()) return end;
    Json job = train_job();
    job["attempt"]["until"] = trial.epochs;
    const ChildOptions child{.program = options_.trainer, .log = options_.folder / attempt_ / "log.txt", .interrupts = context_.interrupts,
                             .on_tick = [this] { keep_lease(); }};
    ChildEnd collected = train(child, job, {});
    if (!collected.cause.empty()) return end;
    collected.seconds += end.seconds;
    return collected;
  }

  /// Records a score: the trial is complete, or waits at the end of its order.
  void finish(Metrics scores, const ChildEnd& end) {
    const std::string& metric = pipeline_.search.objective().metric;
    if (!scores.contains(metric))
      for (const auto& [name, value] : scored_epoch()) scores.try_emplace(name, value);
    measure(scores);
    const auto objective = scores.find(metric);
    const bool is_scored = has_validation(pipeline_) && lease_.part != kRefit;
    if (is_scored && (objective == scores.end() || !std::isfinite(objective->second))) {
      const bool not_a_number = objective != scores.end() || (end.done.is_object() && end.done.contains(metric));
      const std::string message = not_a_number ? fmt::format("'{}' is not a finite number", metric)
                                               : fmt::format("the trainer gave no '{}'", metric);
      store_.fail(lease_, not_a_number ? "nan" : "crash", message, end.seconds);
      return;
    }
    if (const std::string weights = find_weights(end); !weights.empty())
      store_.set_info(weights_key(lease_.trial, lease_.part), weights);
    const std::optional<double> scored = is_scored ? std::optional(objective->second) : std::nullopt;
    const bool has_more = order_.pauses && end.done.is_object() && !end.done.value("finished", true);
    if (!(has_more ? store_.pause(lease_, scores, scored, end.seconds) : store_.complete(lease_, scores, scored, end.seconds))) throw Fenced{};
  }

  /// Adds what the search looks at and no training tells: measures of the network.
  void measure(Metrics& scores) const {
    std::optional<Network> network;
    for (const Objective& objective : pipeline_.search.objectives) {
      const Measure* measure = find_measure(objective.metric);
      if (measure == nullptr) continue;
      if (!network) network.emplace(Network::from_json(document_.at("network")));
      const Json& train = document_.at("train");
      if (measure->predicted == nullptr) scores[measure->name] = measure->value(*network, train.at("batch").get<int64_t>());
      else if (context_.predict) scores[measure->name] = context_.predict(*network, train).*measure->predicted;
    }
  }

  std::string find_weights(const ChildEnd& end) const {
    if (end.done.is_object() && end.done.contains("weights")) return below_folder(end.done["weights"].get<std::string>());
    if (std::filesystem::exists(options_.folder / attempt_ / "model.safetensors")) return attempt_ + "/model.safetensors";
    return store_.trial(lease_.trial, lease_.part).value().checkpoint;
  }

  /// Whether the trainer keeps the weights of the last epoch, not of the best.
  bool last_counts() const { return document_.at("train").value("score", std::string("best")) == "last"; }

  /// Metrics of the epoch whose weights count: the best by the objective, or the last; empty if no epoch has the objective.
  Metrics scored_epoch() const {
    const Objective& objective = pipeline_.search.objective();
    Metrics scored;
    for (const EpochRecord& epoch : store_.epochs(lease_.trial, lease_.part)) {
      const auto value = epoch.metrics.find(objective.metric);
      if (value == epoch.metrics.end()) continue;
      const double before = scored.empty() ? 0.0 : scored[objective.metric];
      const bool better = objective.maximize ? value->second > before : value->second < before;
      if (scored.empty() || last_counts() || better) scored = epoch.metrics, scored["best_epoch"] = static_cast<double>(epoch.epoch);
    }
    return scored;
  }

  const TrainingContext& context_;
  const Pipeline& pipeline_;
  const StudyOptions& options_;
  Store& store_;
  const Lease& lease_;
  const TrainingOrder& order_;
  TrialRecord before_;      ///< as it was claimed
  Json document_;
  std::string attempt_;     ///< its folder, below the study's
  Clock::time_point renewed_ = Clock::now();
};

}  // namespace

std::string training_folder(int64_t trial, const std::string& part) {
  std::string name = part;
  std::erase(name, ',');
  std::ranges::replace(name, ' ', '-');
  return trial_folder(trial) + (part.empty() ? "" : "/" + name);
}

bool train_claimed(const TrainingContext& context, const Lease& lease, const TrainingOrder& order) {
  return Attempt(context, lease, order).run();
}

}  // namespace espalier
