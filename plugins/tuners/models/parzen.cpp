#include "parzen.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

namespace espalier::tuners {

namespace {

constexpr double kPriorMean = 0.5;
constexpr double kPriorWidth = 1.0;
constexpr double kNone = -1.0;  // no category that the axis has
/// Below this the logarithm of a mass says nothing any more; the prior's is far above.
constexpr double kLeastMass = 1e-300;
const double kLogRoot = 0.5 * std::log(2.0 * std::numbers::pi);

/// P(X > z) of a standard normal.
double upper_tail(double z) { return 0.5 * std::erfc(z / std::numbers::sqrt2); }

/// The distance of an end of a cell in widths, and the mass beyond it on the side away from the mean.
struct End {
  double z = 0.0;
  double tail = 0.0;
};

End end_at(double z) { return {z, upper_tail(std::abs(z))}; }

/// The mass between two ends of a normal distribution, exact in both tails.
double mass_between(End low, End high) {
  if (low.z > 0.0) return low.tail - high.tail;
  if (high.z <= 0.0) return high.tail - low.tail;
  return 1.0 - low.tail - high.tail;
}

/// The mass between 0 and 1, where the mean is; one to nine digits if both are six widths away.
double mass_inside(double mean, double width) {
  constexpr double kFar = 6.0;
  if (mean > kFar * width && 1.0 - mean > kFar * width) return 1.0;
  return mass_between(end_at(-mean / width), end_at((1.0 - mean) / width));
}

double log_of_mass(double mass) { return std::log(std::max(mass, kLeastMass)); }

}  // namespace

std::vector<double> weights_by_age(size_t n) {
  constexpr size_t kNew = 25;
  std::vector<double> out(n, 1.0);
  if (n <= kNew) return out;
  const size_t old = n - kNew;
  const double first = 1.0 / static_cast<double>(n);
  for (size_t i = 0; i < old; ++i)
    out[i] = old > 1 ? first + (1.0 - first) * static_cast<double>(i) / static_cast<double>(old - 1) : first;
  return out;
}

Parzen::Parzen(const Encoding& encoding, const std::vector<std::span<const double>>& rows, double prior_weight)
    : encoding_(&encoding), log_weights_(weights_by_age(rows.size())), prior_weight_(prior_weight) {
  log_weights_.push_back(rows.empty() ? 1.0 : prior_weight);
  const double total = std::accumulate(log_weights_.begin(), log_weights_.end(), 0.0);
  for (double& weight : log_weights_) weight = std::log(weight / total);
  for (size_t axis = 0; axis < encoding.size(); ++axis)
    axes_.push_back(encoding[axis].categorical ? categories(axis, rows) : numbers(axis, rows));
}

Parzen::AxisKernels Parzen::categories(size_t axis, const std::vector<std::span<const double>>& rows) const {
  const auto levels = static_cast<double>((*encoding_)[axis].levels);
  AxisKernels out;
  for (const auto& row : rows) out.mean.push_back(row[axis] < levels ? row[axis] : kNone);
  out.mean.push_back(kNone);
  return out;
}

Parzen::AxisKernels Parzen::numbers(size_t axis, const std::vector<std::span<const double>>& rows) const {
  AxisKernels out;
  out.mean.assign(rows.size() + 1, kPriorMean);
  out.width.assign(rows.size() + 1, kPriorWidth);
  std::vector<uint32_t> sorted;
  for (uint32_t i = 0; i < rows.size(); ++i) {
    if (rows[i][axis] == kInactive) continue;
    out.mean[i] = rows[i][axis];
    sorted.push_back(i);
  }
  const double least = kPriorWidth / std::min(100.0, static_cast<double>(sorted.size()) + 2.0);
  std::ranges::stable_sort(sorted, {}, [&](uint32_t i) { return out.mean[i]; });
  const auto mean_at = [&](size_t k) { return out.mean[sorted[k]]; };
  for (size_t k = 0; k < sorted.size(); ++k) {
    const double left = k > 0 ? mean_at(k) - mean_at(k - 1) : sorted.size() > 1 ? 0.0 : mean_at(k);
    const double right = k + 1 < sorted.size() ? mean_at(k + 1) - mean_at(k) : sorted.size() > 1 ? 0.0 : 1.0 - mean_at(k);
    out.width[sorted[k]] = std::clamp(std::max(left, right), least, kPriorWidth);
  }
  if ((*encoding_)[axis].levels == 0) {
    for (size_t i = 0; i < out.mean.size(); ++i) {
      out.log_peak.push_back(-std::log(out.width[i] * mass_inside(out.mean[i], out.width[i])) - kLogRoot);
      out.steepness.push_back(std::sqrt(0.5) / out.width[i]);
    }
    return out;
  }
  // Equal kernels stand side by side: values repeat, and of those on one value only the outer two differ in width.
  const auto prior = static_cast<uint32_t>(rows.size());
  out.shapes.push_back(prior);
  out.shape.assign(rows.size() + 1, 0);
  for (const uint32_t i : sorted) {
    const uint32_t last = out.shapes.back();
    if (out.mean[i] != out.mean[last] || out.width[i] != out.width[last]) out.shapes.push_back(i);
    out.shape[i] = static_cast<uint32_t>(out.shapes.size() - 1);
  }
  for (const uint32_t i : out.shapes) out.inside.push_back(mass_inside(out.mean[i], out.width[i]));
  constexpr int64_t kMostTabled = 32;  // about as many as there are candidates
  if ((*encoding_)[axis].levels <= kMostTabled) tabulate(axis, out);
  return out;
}

void Parzen::tabulate(size_t axis, AxisKernels& kernels) const {
  const AxisScale& scale = (*encoding_)[axis];
  kernels.table.assign(static_cast<size_t>(scale.levels), {});
  for (size_t shape = 0; shape < kernels.shapes.size(); ++shape) {
    const double mean = kernels.mean[kernels.shapes[shape]];
    const double width = kernels.width[kernels.shapes[shape]];
    End low = end_at(-mean / width);
    for (int64_t k = 0; k < scale.levels; ++k) {
      const End high = end_at((scale.cell(scale.level(k)).high - mean) / width);
      kernels.table[static_cast<size_t>(k)].push_back(log_of_mass(mass_between(low, high) / kernels.inside[shape]));
      low = high;
    }
  }
}

std::vector<double> Parzen::log_masses(const AxisKernels& kernels, double coordinate, Cell cell) {
  constexpr double kNarrow = 0.25;  // of a width: the density at the middle is right to three digits
  std::vector<double> out;
  out.reserve(kernels.shapes.size());
  for (size_t shape = 0; shape < kernels.shapes.size(); ++shape) {
    const double mean = kernels.mean[kernels.shapes[shape]];
    const double width = kernels.width[kernels.shapes[shape]];
    const double span = (cell.high - cell.low) / width;
    const double z = (coordinate - mean) / width;
    if (span < kNarrow) out.push_back(std::log(span / kernels.inside[shape]) - kLogRoot - 0.5 * z * z);
    else out.push_back(log_of_mass(mass_between(end_at((cell.low - mean) / width), end_at((cell.high - mean) / width)) / kernels.inside[shape]));
  }
  return out;
}

void Parzen::add_log_shares(size_t axis, double category, std::vector<double>& sums) const {
  const AxisKernels& kernels = axes_[axis];
  const auto levels = static_cast<double>((*encoding_)[axis].levels);
  const double share = prior_weight_ / static_cast<double>(sums.size());
  const double miss = std::log(share / (1.0 + levels * share));
  const double hit = std::log((1.0 + share) / (1.0 + levels * share));
  const double uniform = -std::log(levels);
  for (size_t k = 0; k < sums.size(); ++k)
    sums[k] += kernels.mean[k] == kNone ? uniform : kernels.mean[k] == category ? hit : miss;
}

void Parzen::add_log_masses(size_t axis, double coordinate, std::vector<double>& sums) const {
  const AxisKernels& kernels = axes_[axis];
  const AxisScale& scale = (*encoding_)[axis];
  const auto add = [&](const std::vector<double>& logs) {
    for (size_t k = 0; k < sums.size(); ++k) sums[k] += logs[kernels.shape[k]];
  };
  if (!kernels.table.empty()) add(kernels.table[static_cast<size_t>(scale.index(coordinate))]);
  else add(log_masses(kernels, coordinate, scale.cell(coordinate)));
}

void Parzen::add_log_kernels(size_t axis, double coordinate, std::vector<double>& sums) const {
  const AxisKernels& kernels = axes_[axis];
  const AxisScale& scale = (*encoding_)[axis];
  if (scale.categorical) return add_log_shares(axis, coordinate, sums);
  if (scale.levels > 0) return add_log_masses(axis, coordinate, sums);
  for (size_t k = 0; k < sums.size(); ++k) {
    const double z = (coordinate - kernels.mean[k]) * kernels.steepness[k];
    sums[k] += kernels.log_peak[k] - z * z;
  }
}

double Parzen::log_sum(const std::vector<double>& logs) const {
  constexpr double kNothing = -40.0;  // exp(-40) of the largest is beyond the last digit of a sum of a million
  const double most = *std::ranges::max_element(logs);
  double sum = 0.0;
  for (const double log : logs)
    if (log - most > kNothing) sum += std::exp(log - most);
  return most + std::log(sum);
}

double Parzen::log_density(std::span<const double> row) const {
  std::vector<double> sums = log_weights_;
  for (size_t axis = 0; axis < encoding_->size(); ++axis)
    if (row[axis] != kInactive) add_log_kernels(axis, row[axis], sums);
  return log_sum(sums);
}

double Parzen::draw_coordinate(size_t axis, size_t kernel, Random& random) const {
  const AxisKernels& kernels = axes_[axis];
  const AxisScale& scale = (*encoding_)[axis];
  if (scale.categorical) {
    const auto levels = static_cast<double>(scale.levels);
    const double share = prior_weight_ / static_cast<double>(log_weights_.size());
    const bool kept = kernels.mean[kernel] != kNone && random.uniform() * (1.0 + levels * share) < 1.0;
    return kept ? kernels.mean[kernel] : static_cast<double>(random.below(scale.levels));
  }
  // The mean lies inside: at least a third of the draws does, too.
  while (true) {
    const double drawn = kernels.mean[kernel] + kernels.width[kernel] * random.normal();
    if (drawn >= 0.0 && drawn <= 1.0) return scale.snap(drawn);
  }
}

void Parzen::draw(Random& random, std::span<double> row) const {
  std::vector<double> logs = log_weights_;
  for (size_t axis = 0; axis < encoding_->size(); ++axis)
    if (row[axis] >= 0.0) add_log_kernels(axis, row[axis], logs);
  const double all = log_sum(logs);
  double left = random.uniform();
  size_t kernel = logs.size() - 1;  // what rounding leaves over belongs to the prior
  for (size_t k = 0; k < logs.size(); ++k)
    if ((left -= std::exp(logs[k] - all)) < 0.0) {
      kernel = k;
      break;
    }
  for (size_t axis = 0; axis < encoding_->size(); ++axis) {
    if (row[axis] != kFree) continue;
    row[axis] = encoding_->is_active(axis, row) ? draw_coordinate(axis, kernel, random) : kInactive;
  }
}

}  // namespace espalier::tuners
