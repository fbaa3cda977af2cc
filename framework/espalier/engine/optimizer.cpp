#include "espalier/engine/optimizer.h"

#include "espalier/error.h"

#include <cmath>
#include <string>

namespace espalier::engine {

Optimizer::Optimizer(const Json& settings, int64_t size, std::vector<Segment> segments) : segments_(std::move(segments)) {
  const std::string name = settings.value("name", std::string("sgd"));
  if (name == "adam") {
    kind_ = Kind::adam;
  } else if (name == "adamw") {
    kind_ = Kind::adamw;
  } else if (name != "sgd") {
    fail("E0411", "no optimizer is called '" + name + "'", "sgd, adam and adamw are there");
  }
  const bool is_sgd = kind_ == Kind::sgd;
  learning_rate_ = settings.value("learning_rate", is_sgd ? 0.01 : 0.001);
  momentum_ = settings.value("momentum", 0.9F);
  nesterov_ = settings.value("nesterov", false);
  weight_decay_ = settings.value("weight_decay", kind_ == Kind::adamw ? 0.01F : 0.0F);
  beta1_ = settings.value("beta1", 0.9);
  beta2_ = settings.value("beta2", 0.999);
  epsilon_ = settings.value("epsilon", 1e-8F);
  if (!is_sgd || momentum_ != 0.0F) first.assign(static_cast<size_t>(size), 0.0F);
  if (!is_sgd) second.assign(static_cast<size_t>(size), 0.0F);
}

void Optimizer::step(std::span<float> parameters, std::span<const float> gradients, double factor, double gradient_scale) {
  ++updates;
  const auto rate = static_cast<float>(learning_rate_ * factor);
  const auto scale = static_cast<float>(gradient_scale);
  for (const Segment& segment : segments_) {
    if (kind_ == Kind::sgd) {
      sgd(segment, parameters.data(), gradients.data(), rate, scale);
    } else {
      adam(segment, parameters.data(), gradients.data(), rate, scale);
    }
  }
}

void Optimizer::sgd(const Segment& segment, float* __restrict__ w, const float* __restrict__ g, float rate, float scale) {
  const float decay = segment.decays ? weight_decay_ : 0.0F;
  if (first.empty()) {
    for (int64_t i = segment.begin; i < segment.end; ++i) w[i] -= rate * (scale * g[i] + decay * w[i]);
    return;
  }
  float* __restrict__ v = first.data();
  const float m = momentum_;
  const float look_ahead = nesterov_ ? 1.0F : 0.0F;
  const float keep = nesterov_ ? m : 1.0F;
  for (int64_t i = segment.begin; i < segment.end; ++i) {
    const float gradient = scale * g[i] + decay * w[i];
    v[i] = m * v[i] + gradient;
    w[i] -= rate * (look_ahead * gradient + keep * v[i]);
  }
}

void Optimizer::adam(const Segment& segment, float* __restrict__ w, const float* __restrict__ g, float rate, float scale) {
  const float decay = segment.decays ? weight_decay_ : 0.0F;
  const float coupled = kind_ == Kind::adam ? decay : 0.0F;
  const float shrink = kind_ == Kind::adamw ? 1.0F - rate * decay : 1.0F;
  const auto b1 = static_cast<float>(beta1_);
  const auto b2 = static_cast<float>(beta2_);
  const auto count = static_cast<double>(updates);
  const auto pace = static_cast<float>(rate / (1.0 - std::pow(beta1_, count)));
  const auto root = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(beta2_, count)));
  const float epsilon = epsilon_;
  float* __restrict__ m = first.data();
  float* __restrict__ v = second.data();
  for (int64_t i = segment.begin; i < segment.end; ++i) {
    const float gradient = scale * g[i] + coupled * w[i];
    m[i] = b1 * m[i] + (1.0F - b1) * gradient;
    v[i] = b2 * v[i] + (1.0F - b2) * gradient * gradient;
    w[i] = shrink * w[i] - pace * m[i] / (std::sqrt(v[i]) * root + epsilon);
  }
}

double norm(std::span<const float> values) {
  double sum = 0.0;
  for (const float x : values) sum += static_cast<double>(x) * static_cast<double>(x);
  return std::sqrt(sum);
}

}  // namespace espalier::engine
