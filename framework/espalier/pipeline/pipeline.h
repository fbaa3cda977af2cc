#pragma once

#include "espalier/data/prepare.h"
#include "espalier/registry/registry.h"
#include "espalier/space.h"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace espalier {

/// How a pipeline is asked for on the command line.
struct PipelineRequest {
  std::filesystem::path file;
  std::vector<std::string> overrides = {};                       ///< "train.batch=128", "~train.clip"
  std::vector<std::string> variants = {};                        ///< "size=small"
  std::filesystem::path profile = {};                            ///< file with `run` alone; "" for none
  std::vector<std::filesystem::path> dataset_paths = {};
  std::filesystem::path cache = {};
};

struct Objective {
  std::string metric;      ///< "val_accuracy", "age.val_mse", "val_loss"; a measure such as "latency" after the first
  bool maximize = true;
};

/// How the winner is trained again, on train and validation.
struct Refit {
  bool is_wanted = false;   ///< always with folds
  double epochs = 0.0;      ///< 0: those after which it was best
  double share = 0.0;       ///< of the time budget, kept for it: the epochs are as many as fit; 0: none
};

/// The `search` section, typed.
struct Search {
  std::string tuner = "random";
  Json tuner_settings = Json::object();
  std::string scheduler = "none";
  Json scheduler_settings = Json::object();
  std::vector<Objective> objectives = std::vector<Objective>(1);  ///< several make a Pareto front
  int64_t budget_trials = 0;     ///< 0: none
  double budget_seconds = 0.0;   ///< 0: none
  double budget_epochs = 0.0;    ///< 0: none
  std::vector<Settings> first = {};
  std::vector<std::string> constraints = {};   ///< expressions
  double limit_seconds = 0.0;    ///< of one trial
  double limit_bytes = 0.0;      ///< memory of one trial
  int64_t replicates = 1;        ///< seeds of a trial, same split, scored by their mean
  bool reproducible = false;     ///< order: what a decision sees depends on its number, not on who was faster
  int64_t lag = 1;               ///< in that order decision k sees what was decided up to k - lag
  int64_t ensemble = 0;          ///< members of an ensemble of the best trials that is scored beside the winner; 0: none
  Refit refit = {};

  /// The first one: what trainings stop and are scored by, what schedulers see and what the best trial is best in.
  const Objective& objective() const { return objectives.front(); }
  /// Seconds for trials: the time budget without what is kept for the refit; 0: no limit.
  double trial_seconds() const { return budget_seconds * (1.0 - refit.share); }
};

/// What a study keeps of its trials' files.
struct Retention {
  /// all; best_and_last: the last checkpoint of every trial that is not done and the scored weights of every one that is;
  /// best: of those that are done, the weights of the best one alone.
  std::string checkpoints = "best_and_last";
  double quota = 0.0;   ///< bytes of checkpoints and weights; 0: none. Beyond it the weights of the worst trials go first
};

/// One value of the resolved pipeline and where it came from.
struct Origin {
  std::string source;   ///< "default", "file:9:28", "command line", "variant size=small"
  std::string doc = {};
};

/// The typed picture of one file: everything resolved, nothing built.
struct Pipeline {
  std::string name;                          ///< of the file, without folder and ending
  std::filesystem::path file;
  std::string text;                          ///< as given
  Json resolved;                             ///< every value with defaults; searched ones as {"tune": ...}
  std::map<std::string, Origin> origins;     ///< by path
  std::vector<std::string> notes;            ///< "trunk.resnet.depth is unused: the block of 'trunk' is vanilla"
  Space space;
  Search search;
  uint64_t seed = 0;
  int64_t folds = 0;                         ///< of the validation split; 0: one split, not folded
  DataRequest data;
  DataSketch sketch;
  std::vector<std::string> order;            ///< node names, inputs first
  int64_t workers = 1;                       ///< trials at a time in one process; 0: what a measurement says
  Retention keep;                            ///< run.keep
  std::string features = "auto";             ///< whether what frozen parts give is kept: auto, always or never
  double feature_quota = 4e9;                ///< bytes that it may take for one network
  std::string store;                         ///< URL of a PostgreSQL database; "": a file in the study's folder
};

/// The readers that are installed, as the data module asks for them.
FindReader readers_of(const Registry& registry);

/// Reads, merges, validates; builds the network of the first configuration so that shape clashes are found.
/// Throws one Error with every problem found (law).
Pipeline load_pipeline(const PipelineRequest& request, const Registry& registry);

/// The network of one set of settings (active ones only; absent ones take their first value).
Network build_network(const Pipeline& pipeline, const Settings& settings, const Registry& registry);

/// The resolved `train` section with these settings put in: no {"tune"} is left.
Json train_settings(const Pipeline& pipeline, const Settings& settings);

/// The trial document of design/documents.md: complete, hashed, never changed.
Json trial_document(const Pipeline& pipeline, const Settings& settings, const Registry& registry, const Preparation& data,
                    const std::string& study, int64_t number);

/// JSON Schema (draft 2020-12) of pipelines, made from what is installed.
Json json_schema(const Registry& registry, const std::vector<std::string>& datasets);

/// Seconds that a network takes where a study runs.
struct Predicted {
  double latency = 0.0;  ///< of one sample, forward
  double time = 0.0;     ///< of the whole training
};
using Predict = std::function<Predicted(const Network& network, const Json& train)>;

/// Whether a constraint or an objective of the pipeline is `latency` or `time`, or its tuner weighs gains by seconds.
bool needs_prediction(const Pipeline& pipeline);
/// Seconds that the whole training of these settings is predicted to take. Throws as `build_network`.
double predicted_seconds(const Pipeline& pipeline, const Settings& settings, const Registry& registry, const Predict& predict);

/// True if no constraint of the pipeline is false for these settings (settings, parameters, macs, memory; latency and time
/// where something predicts them), and training keeps within limits.memory as far as the network tells.
bool is_feasible(const Pipeline& pipeline, const Settings& settings, const Registry& registry, const Predict& predict = {});

}  // namespace espalier
