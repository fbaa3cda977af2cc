#pragma once

#include "encoding.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace espalier::tuners {

/// A density over the configurations of a space, learnt from some of them: a mixture of one product of kernels for each,
/// and of a wide one as the prior (Bergstra et al. 2011; widths and weights as in Watanabe, arXiv:2304.11127). Numbers have
/// normal kernels cut off at the ends of the scale, as a mass over a value's cell where there are steps; their width is the
/// larger distance to a neighbour. Categories are kept but for a share that the prior has. One index of the mixture holds
/// for all axes, so that what goes well together stays together; it runs through the whole tree of a conditional space: on
/// an axis that the configuration of a kernel does not have, the kernel is the prior.
class Parzen {
 public:
  /// `rows`: coordinates in the order of age, the oldest first; the newest 25 weigh one, older ones less.
  Parzen(const Encoding& encoding, const std::vector<std::span<const double>>& rows, double prior_weight);

  /// A configuration from the density. `row` holds encoding.size() coordinates; those that are not kFree on entry are kept,
  /// and the others drawn from what is left of the density.
  void draw(Random& random, std::span<double> row) const;
  /// The logarithm of the density (of the mass, for axes with finitely many values) at one configuration.
  double log_density(std::span<const double> row) const;

  /// On entry of draw: to be drawn.
  static constexpr double kFree = -2.0;

 private:
  /// The kernels of one axis, in the order of the rows, that of the prior last.
  struct AxisKernels {
    std::vector<double> mean;      // of numbers; of categories the one observed, -1 for none
    std::vector<double> width;     // of numbers
    std::vector<double> log_peak;  // of ranges: the kernel is exp(log_peak - ((x - mean) * steepness)^2)
    std::vector<double> steepness;
    std::vector<uint32_t> shape;   // of stepped numbers: which of the distinct kernels
    std::vector<uint32_t> shapes;  // and an example of each
    std::vector<double> inside;    // mass of each shape between the ends of the scale
    std::vector<std::vector<double>> table;  // log_masses by value, where there are few values
  };

  AxisKernels numbers(size_t axis, const std::vector<std::span<const double>>& rows) const;
  AxisKernels categories(size_t axis, const std::vector<std::span<const double>>& rows) const;
  void add_log_kernels(size_t axis, double coordinate, std::vector<double>& sums) const;
  /// The logarithm of the mass of a cell under each shape.
  static std::vector<double> log_masses(const AxisKernels& kernels, double coordinate, Cell cell);
  void tabulate(size_t axis, AxisKernels& kernels) const;
  void add_log_masses(size_t axis, double coordinate, std::vector<double>& sums) const;
  void add_log_shares(size_t axis, double category, std::vector<double>& sums) const;
  double draw_coordinate(size_t axis, size_t kernel, Random& random) const;
  double log_sum(const std::vector<double>& logs) const;

  const Encoding* encoding_;
  std::vector<AxisKernels> axes_;
  std::vector<double> log_weights_;
  double prior_weight_;
};

/// Weights by age, the oldest first: one for the newest 25, for older ones a ramp from 1 / n to one.
std::vector<double> weights_by_age(size_t n);

}  // namespace espalier::tuners
