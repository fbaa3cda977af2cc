#include "espalier/engine/optimizer.h"

#include "espalier/error.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

namespace espalier::engine {

namespace {

/// The nearest semi-orthogonal matrix by a quintic iteration; singular values end near 1. Every step multiplies by a polynomial
/// of x x^T from the left, so that it is iterated in these small squares and the wide matrix is multiplied twice in all.
at::Tensor orthogonalised(const at::Tensor& matrix, int64_t iterations) {
  constexpr double a = 3.4445;
  constexpr double b = -4.7750;
  constexpr double c = 2.0315;
  const bool tall = matrix.size(0) > matrix.size(1);
  at::Tensor x = tall ? matrix.t() : matrix;
  x = x / (x.norm() + 1e-7);
  at::Tensor square = at::mm(x, x.t());
  at::Tensor product;
  for (int64_t i = 0; i < iterations; ++i) {
    at::Tensor step = at::addmm(square, square, square, b, c);
    step.diagonal().add_(a);
    if (i + 1 < iterations) square = at::mm(at::mm(step, square), step);
    product = product.defined() ? at::mm(step, product) : step;
  }
  if (product.defined()) x = at::mm(product, x);
  return tall ? x.t().contiguous() : x.contiguous();
}

}  // namespace

Optimizer::Rule Optimizer::rule_of(const Json& settings, bool is_filter_bank) {
  static const std::map<std::string, Kind> kinds = {{"sgd", Kind::sgd},     {"adam", Kind::adam}, {"adamw", Kind::adamw},
                                                    {"radam", Kind::radam}, {"lion", Kind::lion}, {"muon", Kind::muon}};
  const std::string name = settings.value("name", std::string("sgd"));
  const auto kind = kinds.find(name);
  if (kind == kinds.end()) fail("E0411", "no optimizer is called '" + name + "'", "sgd, adam, adamw, radam, lion and muon are there");
  Rule rule;
  rule.kind = kind->second;
  if (rule.kind == Kind::muon && !is_filter_bank) {
    rule = {.kind = Kind::sgd, .learning_rate = settings.value("partner_learning_rate", 0.1),
            .momentum = settings.value("partner_momentum", 0.85F), .nesterov = true,
            .weight_decay = settings.value("weight_decay", 0.0F)};
    return rule;
  }
  const bool momentum_only = rule.kind == Kind::sgd || rule.kind == Kind::muon;
  const bool by_sign = rule.kind == Kind::lion;
  rule.learning_rate = settings.value("learning_rate", momentum_only ? 0.01 : by_sign ? 0.0001 : 0.001);
  rule.momentum = settings.value("momentum", 0.9F);
  rule.nesterov = settings.value("nesterov", false);
  rule.weight_decay = settings.value("weight_decay", rule.kind == Kind::adamw ? 0.01F : 0.0F);
  rule.beta1 = settings.value("beta1", 0.9);
  rule.beta2 = settings.value("beta2", by_sign ? 0.99 : 0.999);
  rule.epsilon = settings.value("epsilon", 1e-8F);
  rule.iterations = settings.value("iterations", int64_t{5});
  rule.fixed_norm = settings.value("fixed_norm", true);
  return rule;
}

Optimizer::Optimizer(const Json& settings, int64_t size, std::vector<Segment> segments) : common_(rule_of(settings, true)) {
  for (Segment& segment : segments) {
    Rule rule = rule_of(segment.optimizer.is_null() ? settings : segment.optimizer, segment.rows > 0);
    rule.learning_rate *= segment.learning_rate;
    rule.weight_decay *= static_cast<float>(segment.weight_decay);
    ruled_.push_back({std::move(segment), rule});
  }
  const auto any = [&](const auto& holds) { return std::ranges::any_of(ruled_, [&](const Ruled& on) { return holds(on.rule); }); };
  if (any([](const Rule& rule) { return rule.kind != Kind::sgd || rule.momentum != 0.0F; })) first.assign(static_cast<size_t>(size), 0.0F);
  if (any([](const Rule& rule) { return rule.kind == Kind::adam || rule.kind == Kind::adamw || rule.kind == Kind::radam; }))
    second.assign(static_cast<size_t>(size), 0.0F);
}

void Optimizer::step(std::span<float> parameters, std::span<const float> gradients, double factor, double gradient_scale) {
  ++updates;
  const auto scale = static_cast<float>(gradient_scale);
  for (const Ruled& on : ruled_) {
    if (updates <= on.segment.first_update) continue;
    const auto rate = static_cast<float>(on.rule.learning_rate * factor);
    if (on.rule.kind == Kind::sgd) {
      sgd(on, parameters.data(), gradients.data(), rate, scale);
    } else if (on.rule.kind == Kind::lion) {
      lion(on, parameters.data(), gradients.data(), rate, scale);
    } else if (on.rule.kind == Kind::muon) {
      muon(on, parameters.data(), gradients.data(), rate, scale);
    } else {
      adam(on, parameters.data(), gradients.data(), rate, scale);
    }
  }
}

void Optimizer::sgd(const Ruled& on, float* __restrict__ w, const float* __restrict__ g, float rate, float scale) {
  const Segment& segment = on.segment;
  const float decay = segment.decays ? on.rule.weight_decay : 0.0F;
  if (on.rule.momentum == 0.0F) {
    for (int64_t i = segment.begin; i < segment.end; ++i) w[i] -= rate * (scale * g[i] + decay * w[i]);
    return;
  }
  float* __restrict__ v = first.data();
  const float m = on.rule.momentum;
  const float look_ahead = on.rule.nesterov ? 1.0F : 0.0F;
  const float keep = on.rule.nesterov ? m : 1.0F;
  for (int64_t i = segment.begin; i < segment.end; ++i) {
    const float gradient = scale * g[i] + decay * w[i];
    v[i] = m * v[i] + gradient;
    w[i] -= rate * (look_ahead * gradient + keep * v[i]);
  }
}

Optimizer::Pace Optimizer::pace_of(const Rule& rule, float rate, int64_t updates_done) {
  const auto count = static_cast<double>(updates_done);
  const double decayed = std::pow(rule.beta2, count);
  const double pace = rate / (1.0 - std::pow(rule.beta1, count));
  if (rule.kind != Kind::radam) return {static_cast<float>(pace), static_cast<float>(1.0 / std::sqrt(1.0 - decayed)), rule.epsilon};
  const double longest = 2.0 / (1.0 - rule.beta2) - 1.0;
  const double length = longest - 2.0 * count * decayed / (1.0 - decayed);
  // Of so few gradients the variance is not known: the momentum alone.
  if (length <= 5.0) return {static_cast<float>(pace), 0.0F, 1.0F};
  const double share = (length - 4.0) * (length - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * length);
  return {static_cast<float>(pace * std::sqrt(share * (1.0 - decayed))), 1.0F, rule.epsilon};
}

void Optimizer::adam(const Ruled& on, float* __restrict__ w, const float* __restrict__ g, float rate, float scale) {
  const Segment& segment = on.segment;
  const Rule& rule = on.rule;
  const float decay = segment.decays ? rule.weight_decay : 0.0F;
  const float coupled = rule.kind == Kind::adam ? decay : 0.0F;
  const float shrink = rule.kind == Kind::adam ? 1.0F : 1.0F - rate * decay;
  const auto b1 = static_cast<float>(rule.beta1);
  const auto b2 = static_cast<float>(rule.beta2);
  const Pace by = pace_of(rule, rate, updates - segment.first_update);
  float* __restrict__ m = first.data();
  float* __restrict__ v = second.data();
  for (int64_t i = segment.begin; i < segment.end; ++i) {
    const float gradient = scale * g[i] + coupled * w[i];
    m[i] = b1 * m[i] + (1.0F - b1) * gradient;
    v[i] = b2 * v[i] + (1.0F - b2) * gradient * gradient;
    w[i] = shrink * w[i] - by.pace * m[i] / (std::sqrt(v[i]) * by.root + by.floor);
  }
}

void Optimizer::lion(const Ruled& on, float* __restrict__ w, const float* __restrict__ g, float rate, float scale) {
  const Segment& segment = on.segment;
  const float shrink = segment.decays ? 1.0F - rate * on.rule.weight_decay : 1.0F;
  const auto b1 = static_cast<float>(on.rule.beta1);
  const auto b2 = static_cast<float>(on.rule.beta2);
  float* __restrict__ m = first.data();
  for (int64_t i = segment.begin; i < segment.end; ++i) {
    const float gradient = scale * g[i];
    const float direction = b1 * m[i] + (1.0F - b1) * gradient;
    const float sign = direction > 0.0F ? 1.0F : direction < 0.0F ? -1.0F : 0.0F;
    w[i] = shrink * w[i] - rate * sign;
    m[i] = b2 * m[i] + (1.0F - b2) * gradient;
  }
}

void Optimizer::muon(const Ruled& on, float* w, const float* g, float rate, float scale) {
  const at::NoGradGuard no_gradients;
  const Segment& segment = on.segment;
  const std::vector<int64_t> shape = {segment.rows, segment.count / segment.rows};
  at::Tensor weights = at::from_blob(w + segment.begin, shape);
  at::Tensor momentum = at::from_blob(first.data() + segment.begin, shape);
  const at::Tensor gradient = at::from_blob(const_cast<float*>(g) + segment.begin, shape) * scale;
  const float m = on.rule.momentum;
  momentum.mul_(m).add_(gradient);
  const at::Tensor direction = orthogonalised(on.rule.nesterov ? gradient + m * momentum : momentum, on.rule.iterations);
  const float decay = segment.decays ? on.rule.weight_decay : 0.0F;
  if (on.rule.fixed_norm) {
    weights.mul_(std::sqrt(static_cast<double>(segment.rows)) / (weights.norm() + 1e-7));
  } else if (decay > 0.0F) {
    weights.mul_(1.0F - rate * decay);
  }
  weights.sub_(direction, rate);
}

double norm(std::span<const float> values) {
  double sum = 0.0;
  for (const float x : values) sum += static_cast<double>(x) * static_cast<double>(x);
  return std::sqrt(sum);
}

}  // namespace espalier::engine
