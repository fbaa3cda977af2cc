#include "surrogate.h"

#include "espalier/error.h"
#include "file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace espalier::bench {

/// Takes the tensors of a file apart by name.
class Surrogate::Reader {
 public:
  Reader(const std::filesystem::path& header_file, const Json& header) : epsilon_(header.at("bn_eps").get<float>()) {
    size_t end = 0;
    for (const Json& entry : header.at("tensors")) {
      Tensor tensor{.shape = entry.at(1), .from = entry.at(2).get<size_t>()};
      end = std::max(end, tensor.from + tensor.size());
      tensors_.emplace(entry.at(0).get<std::string>(), tensor);
    }
    data_ = read_floats(std::filesystem::path(header_file).replace_extension(".f32"), end);
  }

  std::vector<float> values(const std::string& name) const {
    const Tensor& tensor = find(name);
    const auto from = data_.begin() + static_cast<std::ptrdiff_t>(tensor.from);
    return {from, from + static_cast<std::ptrdiff_t>(tensor.size())};
  }

  std::vector<std::vector<float>> rows(const std::string& name) const {
    const std::vector<float> all = values(name);
    const size_t width = find(name).shape.at(1);
    std::vector<std::vector<float>> out;
    for (auto from = all.begin(); from != all.end(); from += static_cast<std::ptrdiff_t>(width))
      out.emplace_back(from, from + static_cast<std::ptrdiff_t>(width));
    return out;
  }

  Linear linear(const std::string& weight, const std::string& bias) const {
    const std::vector<float> all = values(weight);
    const Tensor& tensor = find(weight);
    Linear out{.in = tensor.shape.at(1), .out = tensor.shape.at(0), .columns = std::vector<float>(all.size()), .bias = values(bias)};
    for (size_t row = 0; row < out.out; ++row)
      for (size_t column = 0; column < out.in; ++column) out.columns[column * out.out + row] = all[row * out.in + column];
    return out;
  }

  /// A batch norm of evaluation as a factor and an offset.
  Scaling norm(const std::string& name) const {
    Scaling out{.factor = values(name + ".weight"), .offset = values(name + ".bias")};
    const std::vector<float> mean = values(name + ".running_mean");
    const std::vector<float> variance = values(name + ".running_var");
    for (size_t i = 0; i < mean.size(); ++i) {
      out.factor[i] /= std::sqrt(variance[i] + epsilon_);
      out.offset[i] -= mean[i] * out.factor[i];
    }
    return out;
  }

  /// W (f x + o) + b as one matrix.
  static Linear behind(const Scaling& norm, Linear linear) {
    for (size_t column = 0; column < linear.in; ++column) {
      for (size_t row = 0; row < linear.out; ++row) {
        float& weight = linear.columns[column * linear.out + row];
        linear.bias[row] += weight * norm.offset[column];
        weight *= norm.factor[column];
      }
    }
    return linear;
  }

 private:
  struct Tensor {
    std::vector<size_t> shape;
    size_t from = 0;
    size_t size() const {
      size_t out = 1;
      for (const size_t extent : shape) out *= extent;
      return out;
    }
  };

  const Tensor& find(const std::string& name) const {
    const auto found = tensors_.find(name);
    require(found != tensors_.end(), "E2001", fmt::format("the surrogate has no tensor '{}'", name));
    return found->second;
  }

  float epsilon_;
  std::map<std::string, Tensor> tensors_;
  std::vector<float> data_;
};

Surrogate::Surrogate(const std::filesystem::path& header_file) : header_(read_header(header_file)) {
  const Reader reader(header_file, header_);
  const Json& order = header_.at("cat_order");
  for (size_t i = 0; i < order.size(); ++i) {
    embedded_.push_back(order[i].get<size_t>());
    embeddings_.push_back(reader.rows(fmt::format("emb{}", i)));
  }
  before_ = operations(header_.at("pre"), header_.at("cont").size());
  after_ = operations(header_.at("post"), header_.at("out").size());
  first_ = reader.linear("first.w", "first.b");
  for (int i = 0; i < header_.at("blocks").get<int>(); ++i) {
    const std::string block = fmt::format("blk{}.", i);
    blocks_.push_back({.gated = Reader::behind(reader.norm(block + "norm"), reader.linear(block + "linear0.weight", block + "linear0.bias")),
                       .back = reader.linear(block + "linear1.weight", block + "linear1.bias")});
  }
  last_ = reader.norm("last_norm");
  head_ = reader.linear("head.w", "head.b");
}

std::vector<float> Surrogate::Linear::operator()(const std::vector<float>& x) const {
  std::vector<float> y = bias;
  for (size_t column = 0; column < in; ++column) {
    const float factor = x[column];
    if (factor == 0.0F) continue;
    const float* weights = &columns[column * out];
    for (size_t row = 0; row < out; ++row) y[row] += factor * weights[row];
  }
  return y;
}

std::vector<std::vector<Surrogate::Operation>> Surrogate::operations(const Json& lists, size_t count) {
  const std::vector<std::string> known = {"add", "sub", "mul", "div", "log", "exp"};
  std::vector<std::vector<Operation>> out(count);
  for (const Json& list : lists) {
    for (const Json& operation : list.at(1)) {
      const auto name = operation.at(0).get<std::string>();
      require(std::ranges::find(known, name) != known.end(), "E2001", fmt::format("the surrogate has an unknown operation '{}'", name));
      out.at(list.at(0).get<size_t>()).emplace_back(name, operation.size() > 1 ? operation[1].get<double>() : 0.0);
    }
  }
  return out;
}

double Surrogate::apply(const std::vector<Operation>& operations, double value) {
  for (const auto& [name, operand] : operations) {
    if (name == "add") value += operand;
    else if (name == "sub") value -= operand;
    else if (name == "mul") value *= operand;
    else if (name == "div") value /= operand;
    else if (name == "log") value = std::log(value);
    else value = std::exp(value);
  }
  return value;
}

std::vector<double> Surrogate::evaluate(const std::vector<size_t>& categories, const std::vector<double>& numbers) const {
  std::vector<float> x;
  for (size_t place = 0; place < embeddings_.size(); ++place) {
    const std::vector<float>& part = embeddings_[place].at(categories.at(embedded_[place]));
    x.insert(x.end(), part.begin(), part.end());
  }
  for (size_t i = 0; i < numbers.size(); ++i) x.push_back(static_cast<float>(apply(before_.at(i), numbers[i])));
  x = first_(x);
  for (const Block& block : blocks_) {
    std::vector<float> z = block.gated(x);
    const size_t half = z.size() / 2;
    for (size_t i = 0; i < half; ++i) z[i] *= std::max(0.0F, z[half + i]);
    const std::vector<float> change = block.back(z);
    for (size_t i = 0; i < x.size(); ++i) x[i] += change[i];
  }
  for (size_t i = 0; i < x.size(); ++i) x[i] = std::max(0.0F, x[i] * last_.factor[i] + last_.offset[i]);
  const std::vector<float> y = head_(x);
  std::vector<double> out;
  for (size_t i = 0; i < y.size(); ++i) out.push_back(apply(after_.at(i), 1.0 / (1.0 + std::exp(-static_cast<double>(y[i])))));
  return out;
}

}  // namespace espalier::bench
