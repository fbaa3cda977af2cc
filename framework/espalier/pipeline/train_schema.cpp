#include "espalier/pipeline/train_schema.h"

#include "espalier/losses.h"

namespace espalier {

namespace {

SettingType number(const std::string& name, double fallback, Domain domain, const std::string& doc) {
  return {.name = name, .type = Type::number, .fallback = fallback, .domain = std::move(domain), .doc = doc};
}
SettingType integer(const std::string& name, int64_t fallback, Domain domain, const std::string& doc) {
  return {.name = name, .type = Type::integer, .fallback = fallback, .domain = std::move(domain), .doc = doc};
}
SettingType boolean(const std::string& name, bool fallback, const std::string& doc) {
  return {.name = name, .type = Type::boolean, .fallback = fallback, .domain = yes_or_no(), .doc = doc};
}
SettingType word(const std::string& name, const Json& fallback, Domain domain, const std::string& doc) {
  return {.name = name, .type = Type::word, .fallback = fallback, .domain = std::move(domain), .doc = doc};
}
SettingType choice(const std::string& name, const std::string& fallback, const std::string& kind,
                   std::vector<std::string> options, const std::string& doc) {
  return {.name = name, .type = Type::choice, .fallback = {{fallback, Json::object()}}, .domain = {}, .doc = doc,
          .options = std::move(options), .kind = kind};
}
SettingType list(const std::string& name, const Json& fallback, SettingType item, const std::string& doc) {
  return {.name = name, .type = Type::list, .fallback = fallback, .domain = {}, .doc = doc, .options = {}, .kind = {},
          .item = {std::move(item)}};
}

/// Words that are legal without being what a search should try.
Domain words(std::vector<Json> choices) { return {.choices = std::move(choices)}; }

constexpr double kHuge = 1e9;

SettingType weight_decay(double fallback) {
  return number("weight_decay", fallback, between_log(1e-5, 1e-1).within(0.0, 10.0), "pull of filters and matrices to zero");
}
SettingType beta(const std::string& name, double fallback) {
  return number(name, fallback, legal(0.0, 0.999999), "decay of a running moment");
}

std::map<std::string, Declaration> optimizers() {
  const std::string rate = "step size for the loss averaged over a batch";
  return {
      {"sgd", {number("learning_rate", 0.1, between_log(1e-3, 1.0).within(0.0, 1e3), rate),
               number("momentum", 0.9, one_of(0.0, 0.8, 0.9, 0.95).within(0.0, 0.9999), "share of the last step kept"),
               boolean("nesterov", true, "look ahead by the momentum"), weight_decay(5e-4)}},
      {"adam", {number("learning_rate", 1e-3, between_log(1e-5, 1e-1).within(0.0, 10.0), rate), beta("beta1", 0.9),
                beta("beta2", 0.999), weight_decay(0.0)}},
      {"adamw", {number("learning_rate", 1e-3, between_log(1e-5, 1e-1).within(0.0, 10.0), rate), beta("beta1", 0.9),
                 beta("beta2", 0.999), weight_decay(0.01)}},
      {"radam", {number("learning_rate", 1e-3, between_log(1e-5, 1e-1).within(0.0, 10.0), rate), beta("beta1", 0.9),
                 beta("beta2", 0.999), weight_decay(0.01)}},
      {"lion", {number("learning_rate", 1e-4, between_log(1e-5, 1e-2).within(0.0, 10.0), "length of every step of every weight"),
                beta("beta1", 0.9), beta("beta2", 0.99), weight_decay(0.1)}},
      {"muon", {number("learning_rate", 0.02, between_log(1e-3, 1.0).within(0.0, 1e3), "step size of filter banks"),
                number("momentum", 0.95, one_of(0.6, 0.8, 0.9, 0.95).within(0.0, 0.9999), "share of the last step kept"),
                boolean("nesterov", true, "look ahead by the momentum"), weight_decay(0.0),
                integer("iterations", 5, legal(1, 20), "of Newton and Schulz, towards the nearest orthogonal matrix"),
                boolean("fixed_norm", true, "filter banks keep their norm, the root of their number of filters"),
                number("partner_learning_rate", 0.1, between_log(1e-3, 1.0).within(0.0, 1e5), "of sgd, which moves everything else"),
                number("partner_momentum", 0.85, one_of(0.8, 0.85, 0.9).within(0.0, 0.9999), "of sgd")}},
  };
}

SettingType start(double fallback) {
  return number("start", fallback, legal(0.0, 1.0), "share of the rate at which a warm-up begins");
}
SettingType end(double fallback) { return number("end", fallback, legal(0.0, 1.0), "share of the rate at which the training ends"); }

SettingType warmup(double fallback) {
  return number("warmup", fallback, one_of(0.0, 0.05, 0.1, 0.2).within(0.0, 1.0), "fraction of the training with a rising rate");
}

SettingType drop() {
  return number("factor", 0.1, one_of(0.1, 0.2, 0.5).within(0.0, 1.0), "of the rate at each drop");
}

std::map<std::string, Declaration> schedules() {
  return {
      {"constant", {warmup(0.0), start(0.0)}},
      {"linear", {warmup(0.0), start(0.0), end(0.0)}},
      {"cosine", {warmup(0.0), start(0.0), end(0.0)}},
      {"one_cycle", {warmup(0.25), start(0.04), end(1e-4)}},
      {"step", {number("every", 0.3, between(0.1, 0.5).within(0.001, 1.0), "fraction of the training between two drops"),
                drop(), warmup(0.0), start(0.0)}},
      {"plateau", {integer("patience", 5, one_of(2, 5, 10).within(1, 1e6), "epochs without a better score before a drop"),
                   drop(),
                   number("min", 0.0, legal(0.0, 1.0), "share of the rate below which it does not drop"), warmup(0.0), start(0.0)}},
  };
}

std::map<std::string, Declaration> mixes() {
  const SettingType probability = number("probability", 1.0, one_of(0.5, 1.0).within(0.0, 1.0), "of a batch to be mixed");
  const auto alpha = [](const std::string& name, double fallback, const std::string& of) {
    return number(name, fallback, one_of(0.2, 0.4, 1.0).within(0.01, 10.0), of + ": the share of a sample is drawn from Beta(alpha, alpha)");
  };
  return {{"none", {}},
          {"mixup", {alpha("alpha", 0.2, "of pictures added up"), probability}},
          {"cutmix", {alpha("alpha", 1.0, "of the area that stays"), probability}},
          {"mixup_or_cutmix", {alpha("alpha", 0.2, "of mixup"), alpha("cutmix_alpha", 1.0, "of cutmix"), probability}}};
}

std::map<std::string, Declaration> prepare_steps() {
  const auto size = [](const std::string& doc) {
    return list("size", Json::array({32, 32}), integer("item", 32, legal(1, 8192), "pixels"), doc);
  };
  return {{"grey", {}}, {"rgb", {}}, {"crop", {size("height and width kept, from the centre, in pixels")}},
          {"resize", {size("height and width, in pixels")}}};
}

/// What a column of a pipeline's own says of a reader's field.
std::map<std::string, Declaration> column_kinds() {
  const SettingType field = word("field", Json(), {}, "name of the reader's field; default: the column's name");
  const SettingType fields = list("fields", Json::array(), word("item", Json(), {}, "a field"), "names of the reader's fields");
  const SettingType missing = number("missing", 0.0, {}, "number that fills empty fields");
  std::map<std::string, Declaration> out;
  for (const char* kind : {"image", "number", "numbers", "class", "classes", "id"}) out[kind] = {field, fields, missing};
  return out;
}

}  // namespace

Catalogue::Catalogue(const Registry& registry) : registry_(&registry) {
  for (const PluginKind kind : {PluginKind::block, PluginKind::head, PluginKind::tuner, PluginKind::scheduler, PluginKind::reader})
    kinds_[to_string(kind)] = {};
  for (const Provided& provided : registry.provided()) kinds_[to_string(provided.kind)][provided.name] = provided.declaration;
  kinds_["optimizer"] = optimizers();
  kinds_["schedule"] = schedules();
  for (const LossType& loss : losses()) kinds_[loss.kind][loss.name] = loss.declaration;
  kinds_["average"] = {{"none", {}},
                       {"ema", {number("decay", 0.999, legal(0.0, 0.999999), "share of the average kept each step")}},
                       {"lookahead",
                        {integer("every", 5, legal(1, 1e6), "steps between two moves to the average"),
                         number("decay", 0.774, legal(0.0, 0.999999), "share of the average kept at a move at the end of the training")}}};
  kinds_["mix"] = mixes();
  kinds_["prepare step"] = prepare_steps();
  kinds_["column kind"] = column_kinds();
  kinds_["order"] = {{"fast", {}}, {"reproducible", {integer("lag", 4, legal(1, 1e6), "trials that a decision may not see")}}};
  kinds_["epochs"] = {{"auto", {integer("max", 200, legal(1, 1e6), "epochs at most; schedules span it"),
                                integer("patience", 10, legal(1, 1e6), "epochs without a better score"),
                                number("min_delta", 1e-4, legal(0.0, kHuge), "what counts as better")}}};
  // What the engine offers without a plugin.
  kinds_["tuner"].try_emplace("auto", Declaration{});
  kinds_["scheduler"].try_emplace("auto", Declaration{});
  kinds_["scheduler"].try_emplace("none", Declaration{});
}

const Declaration* Catalogue::find(const std::string& kind, const std::string& name) const {
  const auto names = kinds_.find(kind);
  if (names == kinds_.end()) return nullptr;
  const auto found = names->second.find(name);
  return found == names->second.end() ? nullptr : &found->second;
}

std::vector<std::string> Catalogue::names(const std::string& kind) const {
  std::vector<std::string> out;
  if (const auto names = kinds_.find(kind); names != kinds_.end())
    for (const auto& [name, declaration] : names->second) out.push_back(name);
  return out;
}

std::vector<std::string> Catalogue::kinds() const {
  std::vector<std::string> out;
  for (const auto& [kind, names] : kinds_) out.push_back(kind);
  return out;
}

const Declaration& train_declaration() {
  static const Declaration kTrain = {
      choice("epochs", "auto", "epochs", {}, "number of epochs, or auto: until the score no longer betters"),
      integer("batch", 256, one_of(32, 64, 128, 256, 512).within(1, 1 << 20), "samples a step"),
      integer("accumulate", 1, legal(1, 1 << 16), "batches a step of the optimizer"),
      number("skip_easy", 0.0, between(0.1, 0.4).within(0.0, 0.5), "share of the samples, of the easier half, that an epoch leaves out"),
      number("clip", 0.0, legal(0.0, kHuge), "greatest norm of the gradient; 0 is off"),
      choice("optimizer", "sgd", "optimizer", {"sgd", "adam", "adamw", "muon"}, "how weights follow gradients"),
      choice("schedule", "cosine", "schedule", {"constant", "cosine", "one_cycle"}, "how the learning rate runs"),
      choice("average", "none", "average", {"none", "ema", "lookahead"}, "average of the weights that is scored"),
      choice("mix", "none", "mix", {"none", "mixup", "cutmix"}, "samples of a batch mixed in pairs, and their losses alike"),
      word("test_views", "none", words({"none", "mirror", "mirror_shift"}), "views of a picture that final scores and predictions average"),
      word("score", "best", words({"best", "last"}), "the epoch whose weights are scored and kept"),
      word("sample_weight", Json(), {}, "a number column: how much each sample counts in the training loss"),
      word("device", "auto", words({"auto", "cpu", "cuda"}), "where to train: the processor or NVIDIA's GPU; auto is the GPU where there is one"),
      word("precision", "auto", words({"auto", "float32", "bf16", "fp16"}), "of the arithmetic: fp16 is for GPUs; auto is the fastest that is there"),
      word("threads", "auto", {}, "of the processor; auto or an integer"),
  };
  return kTrain;
}

const Declaration& group_declaration() {
  static const Declaration kGroup = {
      word("part", "", {}, "path of a part of the network; default: all of it"),
      list("role", Json::array(), word("item", Json(), words({"filter", "matrix", "bias", "norm_scale", "norm_bias"}), "a role"),
           "roles of the weights; default: any"),
      {.name = "optimizer", .type = Type::choice, .fallback = {}, .domain = {}, .doc = "of its own, where one is written", .options = {},
       .kind = "optimizer"},
  };
  return kGroup;
}

const Declaration& scale_declaration() {
  static const Declaration kScale = {
      number("learning_rate", 1.0, between_log(0.01, 100.0).within(0.0, 1e6), "multiplies the optimizer's"),
      number("weight_decay", 1.0, between_log(0.01, 100.0).within(0.0, 1e6), "multiplies the optimizer's"),
  };
  return kScale;
}

const Declaration& common_block_settings() {
  static const Declaration kCommon = {
      word("weights", "none", {}, "path of a safetensors file to begin with, or none"),
      word("weights_sha256", Json(), {}, "of that file; another one is refused"),
      // Without a domain: `tune: all` would freeze what nothing was loaded into.
      {.name = "freeze", .type = Type::boolean, .fallback = false, .domain = {},
       .doc = "keep the weights as they are and evaluate: true, false or {below: PART, until: EPOCH}"},
  };
  return kCommon;
}

const Declaration& freeze_declaration() {
  static const Declaration kFreeze = {
      word("below", Json(), {}, "only what comes before this part of the block; default: all of it"),
      {.name = "until", .type = Type::integer, .fallback = {}, .domain = legal(0, kHuge),
       .doc = "the first epoch in which it is trained, counted from 0; default: never"},
  };
  return kFreeze;
}

const Declaration& common_head_settings() {
  static const Declaration kCommon = {
      word("target", Json(), {}, "the column to predict; default: the node's name"),
      number("weight", 1.0, legal(0.0, kHuge), "of the head's loss in the sum"),
      list("metrics", Json::array(), word("item", Json(), {}, "a metric"), "scores beside the head's own"),
  };
  return kCommon;
}

}  // namespace espalier
