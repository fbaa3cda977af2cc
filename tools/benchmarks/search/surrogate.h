#pragma once

#include "espalier/json.h"

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace espalier::bench {

/// A network of YAHPO Gym (arXiv:2109.03670) that stands for trainings: categories and numbers in, metrics out. Residual
/// blocks of gated linear units; the batch norms are folded into the matrices behind them.
class Surrogate {
 public:
  /// `header_file`: the description, beside which the weights lie. Throws E2 if the two do not fit.
  explicit Surrogate(const std::filesystem::path& header_file);

  /// `categories` by number and `numbers` in the order of the description; returns all outputs.
  std::vector<double> evaluate(const std::vector<size_t>& categories, const std::vector<double>& numbers) const;
  const Json& header() const { return header_; }

 private:
  /// y = W x + b, held by columns, so that the inner loop runs over outputs.
  struct Linear {
    size_t in = 0;
    size_t out = 0;
    std::vector<float> columns;
    std::vector<float> bias;

    std::vector<float> operator()(const std::vector<float>& x) const;
  };
  struct Scaling {
    std::vector<float> factor;
    std::vector<float> offset;
  };
  struct Block {
    Linear gated;
    Linear back;
  };
  /// An operation on one number: "log", or "add" and what is added.
  using Operation = std::pair<std::string, double>;

  class Reader;

  static std::vector<std::vector<Operation>> operations(const Json& lists, size_t count);
  static double apply(const std::vector<Operation>& operations, double value);

  Json header_;
  std::vector<std::vector<std::vector<float>>> embeddings_;  ///< by place among the inputs, category and part
  std::vector<size_t> embedded_;                             ///< which category stands at which place
  std::vector<std::vector<Operation>> before_;
  std::vector<std::vector<Operation>> after_;
  Linear first_;
  std::vector<Block> blocks_;
  Scaling last_;
  Linear head_;
};

}  // namespace espalier::bench
