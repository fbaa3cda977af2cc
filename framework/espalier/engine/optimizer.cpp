#include "espalier/engine/optimizer.h"

#include "espalier/error.h"
#include "espalier/shape.h"

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
  if (kind == kinds.end()) fail("E0428", "no optimizer is called '" + name + "'", "sgd, adam, adamw, radam, lion and muon are there");
  Rule rule;
  rule.kind = kind->second;
  if (rule.kind == Kind::muon && !is_filter_bank) {
    rule = {.kind = Kind::sgd, .learning_rate = settings.value("partner_learning_rate", 0.1),
            .momentum = settings.value("partner_momentum", 0.85), .nesterov = true,
            .weight_decay = settings.value("weight_decay", 0.0)};
    return rule;
  }
  const bool momentum_only = rule.kind == Kind::sgd || rule.kind == Kind::muon;
  const bool by_sign = rule.kind == Kind::lion;
  rule.learning_rate = settings.value("learning_rate", momentum_only ? 0.01 : by_sign ? 0.0001 : 0.001);
  rule.momentum = settings.value("momentum", 0.9);
  rule.nesterov = settings.value("nesterov", false);
  rule.weight_decay = settings.value("weight_decay", rule.kind == Kind::adamw ? 0.01 : 0.0);
  rule.beta1 = settings.value("beta1", 0.9);
  rule.beta2 = settings.value("beta2", by_sign ? 0.99 : 0.999);
  rule.epsilon = settings.value("epsilon", 1e-8);
  rule.iterations = settings.value("iterations", int64_t{5});
  rule.fixed_norm = settings.value("fixed_norm", true);
  return rule;
}

bool Optimizer::has_first(const Rule& rule) { return rule.kind != Kind::sgd || rule.momentum != 0.0; }
bool Optimizer::has_second(const Rule& rule) { return rule.kind == Kind::adam || rule.kind == Kind::adamw || rule.kind == Kind::radam; }

Optimizer::Optimizer(const Json& settings, const at::Tensor& parameters, const at::Tensor& gradients, const std::vector<Segment>& segments)
    : common_(rule_of(settings, true)) {
  std::vector<Rule> rules;
  for (const Segment& segment : segments) {
    Rule rule = rule_of(segment.optimizer.is_null() ? settings : segment.optimizer, segment.rows > 0);
    rule.learning_rate *= segment.learning_rate;
    rule.weight_decay *= segment.decays ? segment.weight_decay : 0.0;
    rules.push_back(rule);
  }
  if (std::ranges::any_of(rules, has_first)) first = at::zeros_like(parameters);
  if (std::ranges::any_of(rules, has_second)) second = at::zeros_like(parameters);
  for (size_t i = 0; i < rules.size(); ++i) add(rules[i], segments[i], parameters, gradients);
}

void Optimizer::add(const Rule& rule, const Segment& segment, const at::Tensor& parameters, const at::Tensor& gradients) {
  const auto same = [&](const Group& group) { return group.rule == rule && group.first_update == segment.first_update; };
  const auto found = std::ranges::find_if(groups_, same);
  Group& group = found != groups_.end() ? *found : groups_.emplace_back(Group{.rule = rule, .first_update = segment.first_update});
  const bool is_matrix = rule.kind == Kind::muon;
  const auto view = [&](const at::Tensor& flat) {
    if (is_matrix) return flat.narrow(0, segment.begin, segment.count).view({segment.rows, segment.count / segment.rows});
    return flat.narrow(0, segment.begin, segment.end - segment.begin);
  };
  group.weights.push_back(view(parameters));
  group.gradients.push_back(view(gradients));
  if (has_first(rule)) group.first.push_back(view(first));
  if (has_second(rule)) group.second.push_back(view(second));
}

void Optimizer::step(int64_t number, double factor) {
  const at::NoGradGuard no_gradients;
  for (const Group& on : groups_) {
    if (number < on.first_update) continue;
    const int64_t updates = number - on.first_update + 1;
    const double rate = on.rule.learning_rate * factor;
    switch (on.rule.kind) {
      case Kind::sgd: sgd(on, rate); break;
      case Kind::adam:
      case Kind::adamw: adam(on, rate, updates); break;
      case Kind::radam: radam(on, rate, updates); break;
      case Kind::lion: lion(on, rate); break;
      case Kind::muon: muon(on, rate); break;
    }
  }
}

void Optimizer::sgd(const Group& on, double rate) {
  at::_fused_sgd_(on.weights, on.gradients, on.first, on.rule.weight_decay, on.rule.momentum, rate, 0.0, on.rule.nesterov, false, false);
}

void Optimizer::adam(const Group& on, double rate, int64_t updates) {
  const Rule& rule = on.rule;
  const std::vector<at::Tensor> counts(on.weights.size(), at::full({}, static_cast<double>(updates), on.weights[0].options()));
  const auto step = [&](const auto& update) {
    update(on.weights, on.gradients, on.first, on.second, at::TensorList(), counts, rate, rule.beta1, rule.beta2, rule.weight_decay,
           rule.epsilon, false, false);
  };
  // As lambdas, since each name stands for several functions.
  if (rule.kind == Kind::adam) step([](auto&&... all) { at::_fused_adam_(all...); });
  else step([](auto&&... all) { at::_fused_adamw_(all...); });
}

void Optimizer::radam(const Group& on, double rate, int64_t updates) {
  const Rule& rule = on.rule;
  const auto count = static_cast<double>(updates);
  const double decayed = std::pow(rule.beta2, count);
  const double pace = rate / (1.0 - std::pow(rule.beta1, count));
  const double longest = 2.0 / (1.0 - rule.beta2) - 1.0;
  const double length = longest - 2.0 * count * decayed / (1.0 - decayed);
  for (size_t i = 0; i < on.weights.size(); ++i) {
    at::Tensor m = on.first[i], v = on.second[i], w = on.weights[i];
    m.mul_(rule.beta1).add_(on.gradients[i], 1.0 - rule.beta1);
    v.mul_(rule.beta2).addcmul_(on.gradients[i], on.gradients[i], 1.0 - rule.beta2);
    w.mul_(1.0 - rate * rule.weight_decay);
    if (length <= 5.0) {
      w.sub_(m, pace);  // of so few gradients the variance is not known: the momentum alone
      continue;
    }
    const double share = (length - 4.0) * (length - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * length);
    w.addcdiv_(m, v.sqrt().add_(rule.epsilon), -pace * std::sqrt(share * (1.0 - decayed)));
  }
}

void Optimizer::lion(const Group& on, double rate) {
  const Rule& rule = on.rule;
  for (size_t i = 0; i < on.weights.size(); ++i) {
    at::Tensor m = on.first[i], w = on.weights[i];
    const at::Tensor direction = m.mul(rule.beta1).add_(on.gradients[i], 1.0 - rule.beta1).sign_();
    w.mul_(1.0 - rate * rule.weight_decay).sub_(direction, rate);
    m.mul_(rule.beta2).add_(on.gradients[i], 1.0 - rule.beta2);
  }
}

void Optimizer::muon(const Group& on, double rate) {
  const Rule& rule = on.rule;
  for (size_t i = 0; i < on.weights.size(); ++i) {
    at::Tensor momentum = on.first[i], weights = on.weights[i];
    const at::Tensor& gradient = on.gradients[i];
    momentum.mul_(rule.momentum).add_(gradient);
    const at::Tensor direction = orthogonalised(rule.nesterov ? gradient + rule.momentum * momentum : momentum, rule.iterations);
    if (rule.fixed_norm) {
      weights.mul_(std::sqrt(static_cast<double>(weights.size(0))) / (weights.norm() + 1e-7));
    } else {
      weights.mul_(1.0 - rate * rule.weight_decay);
    }
    weights.sub_(direction, rate);
  }
}

at::Tensor gradient_norm(const at::Tensor& flat) {
  // By rows first: how a long sum is divided would depend on the number of threads.
  constexpr int64_t kRow = 1024;
  const at::Tensor squares = flat.to(at::kDouble).square_();
  return at::constant_pad_nd(squares, {0, ceil_div(flat.size(0), kRow) * kRow - flat.size(0)}).view({-1, kRow}).sum(1).sum().sqrt();
}

}  // namespace espalier::engine
