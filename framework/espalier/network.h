#pragma once

#include "espalier/json.h"
#include "espalier/params.h"
#include "espalier/shape.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace espalier {

/// A tensor of one layer: what blocks pass along. Copy it freely.
struct Value {
  int layer = -1;
};

/// A tensor that a layer owns. `role`: filter, matrix, bias, norm_scale, norm_bias are trained; buffer is not.
struct Weight {
  std::string name;
  Shape shape;
  std::string role;
  std::string init;  ///< kaiming, glorot, zeros, ones, ...; constant: the layer's setting `initial`
};

/// One primitive operation with its inferred shape. `from` is the path of the node and parts that emitted it.
struct Layer {
  int id = 0;
  std::string op;
  std::vector<int> in;
  Shape shape;
  std::string from;
  Json set = Json::object();
  std::vector<Weight> weights;
  bool training_only = false;  ///< augmentation and dropout: the identity in evaluation
  /// The first epoch, counted from 0, in which its weights are trained; until then it runs as in evaluation.
  int64_t trained_from = 0;
  static constexpr int64_t never = -1;  ///< of trained_from
  bool is_frozen(int64_t epoch) const { return trained_from == never || epoch < trained_from; }
};

/// What a head asks for at its output layer.
struct Output {
  std::string head;                  ///< node name
  std::string target;                ///< column
  int layer = -1;                    ///< logits, the number in standardised units, or, number by number, logits of its bins
  Json loss;                         ///< {"name": "cross_entropy", "label_smoothing": 0.1}
  double weight = 1.0;               ///< of its loss in the sum
  std::vector<std::string> metrics;  ///< the first one is the objective unless the pipeline says otherwise
  Json decode;                       ///< {"kind": "class", "activation": "softmax", "names": [...]}, {"kind": "number"};
                                     ///< a number read from bins says how many, and softmax (one logit a bin) or sigmoid
                                     ///< (one logit a step between two): {"kind": "number", "bins": 100, "activation": ...}
};

/// `same` pads so that the output is ceil(input / stride); `valid` does not pad.
enum class Padding { same, valid };

struct ConvOptions {
  int64_t filters = 0;
  int64_t kernel = 3;   ///< pixels, square
  int64_t stride = 1;
  int64_t groups = 1;   ///< divides input channels and filters
  Padding padding = Padding::same;
  bool bias = false;
  /// kaiming (arXiv:1502.01852), kaiming_uniform, dirac (the first filters pass their channel on) or whitening (directions
  /// of the training split's patches, then their negatives; taken before the first step).
  std::string init = "kaiming";
  bool trained = true;  ///< false: the weight stays as it began; a bias is trained all the same
};

struct PoolOptions {
  int64_t kernel = 2;
  int64_t stride = 2;
  Padding padding = Padding::valid;
};

struct BatchNormOptions {
  double momentum = 0.1;  ///< weight of the new batch in the running statistics
  double epsilon = 1e-5;
  bool scale = true;  ///< false: the scale stays 1
};

/// Largest changes of a picture's shape, each drawn anew for every sample, either way.
struct AffineOptions {
  double rotate = 0.0;  ///< fraction of a turn
  double zoom = 0.0;    ///< fraction of the extent
  double shear = 0.0;   ///< pixels to the side for each pixel down
};

/// Largest changes of a picture's colours, each drawn anew for every sample, either way.
struct ColourOptions {
  double brightness = 0.0;  ///< fraction of the distance from black
  double contrast = 0.0;    ///< fraction of the distance from the picture's mean
  double saturation = 0.0;  ///< fraction of the distance from grey; red, green and blue alone
  double hue = 0.0;         ///< fraction of a turn of the circle of colours; red, green and blue alone
};

/// A rectangle of a picture that is covered, drawn anew for every sample.
struct EraseOptions {
  double probability = 1.0;  ///< of a sample
  double least_area = 0.02;  ///< fraction of the picture
  double most_area = 0.4;
  double most_ratio = 1.0 / 0.3;  ///< of the longer side to the shorter; 1: squares
  bool clipped = false;           ///< its middle lies anywhere in the picture and what is outside is lost; else all lies inside
  std::string fill = "mean";      ///< mean (the picture's), zero (where the layer stands) or noise (even, from black to white)
};

/// A DAG of primitive operations: data that everything but the engine reads. Every emitting function infers the shape
/// and the weights of its layer at once and throws an Error (E0320) that names the part, the edge and the dimension
/// if its inputs do not fit.
class Network {
 public:
  /// Builds a nested block by name (set by whoever knows the plugins).
  using BlockBuilder = std::function<Value(Network&, const std::string& block, const Json& settings, std::vector<Value>)>;

  Network();
  ~Network();

  /// Declares a column as input; pictures are (C, H, W) of uint8 in 0..255, vectors float32.
  Value input(const std::string& name, const Shape& shape, const std::string& type);

  // Weighted operations.
  Value conv(Value x, const ConvOptions& options);                    ///< (C, H, W) -> (filters, H', W')
  Value depthwise_conv(Value x, int64_t kernel, int64_t stride = 1, Padding padding = Padding::same);
  Value separable_conv(Value x, const ConvOptions& options);          ///< depthwise, then 1x1
  Value dense(Value x, int64_t units, bool bias = true);              ///< (N) -> (units)
  /// (n) -> (n * count): each number with `count` biases of its own, the logits of a uniform distribution at first: the
  /// levels of ordered answers (CORAL, arXiv:1901.07884).
  Value thresholds(Value x, int64_t count);
  Value batch_norm(Value x, const BatchNormOptions& options = {});    ///< per channel, or per feature of a vector
  /// Mean 0 and deviation 1 over the channels of each pixel, or over the features of a vector (arXiv:1607.06450), then a
  /// trained scale and shift per channel.
  Value layer_norm(Value x, double epsilon = 1e-5);
  Value channel_scale(Value x, double initial = 1.0);                 ///< times a trained factor per channel or feature

  // Activations.
  Value relu(Value x);
  Value relu6(Value x);                                               ///< min(max(x, 0), 6)
  Value silu(Value x);
  Value gelu(Value x);
  Value sigmoid(Value x);
  Value hard_sigmoid(Value x);                                        ///< min(max(x / 6 + 1/2, 0), 1)
  Value hard_swish(Value x);                                          ///< x * hard_sigmoid(x) (arXiv:1905.02244)
  /// By name: relu, relu6, silu, gelu, sigmoid, hard_sigmoid, hard_swish, tanh or none.
  Value activation(Value x, const std::string& name);

  // Shape.
  Value max_pool(Value x, const PoolOptions& options = {});
  Value avg_pool(Value x, const PoolOptions& options = {});
  Value global_avg_pool(Value x);                                     ///< (C, H, W) -> (C)
  Value global_max_pool(Value x);
  Value flatten(Value x);                                             ///< any -> (elements)
  Value resize(Value x, int64_t height, int64_t width);               ///< bilinear
  Value repeat_channels(Value x, int64_t times);                      ///< grey pictures for networks of three channels

  // Several inputs.
  Value add(Value a, Value b);
  Value add(const std::vector<Value>& xs);                            ///< equal shapes
  Value concat(const std::vector<Value>& xs);                         ///< along channels or features
  Value multiply(Value x, Value gate);                                ///< (C, H, W) by (C) or (C, 1, 1) or equal shapes

  // Values.
  Value scale(Value x, double factor, double offset = 0.0);           ///< x * factor + offset
  /// (x - mean) / std per channel; empty lists: adapted on the training split before the first step.
  Value normalize(Value x, const std::vector<double>& mean = {}, const std::vector<double>& std = {});

  // Training only; the identity in evaluation. Factors are fractions of the extent; 0 emits nothing.
  Value dropout(Value x, double rate);
  Value drop_path(Value x, double rate);                              ///< stochastic depth (arXiv:1603.09382), per sample
  Value random_flip(Value x, bool horizontal, bool vertical);
  /// Pictures begin at `start` of their size and reach it after `until` of the training. Nothing behind it may need one size:
  /// flatten is refused.
  Value growing(Value x, double start, double until);
  Value alternating_flip(Value x);                                    ///< half of the pictures, in the next epoch the others
  Value random_translate(Value x, double height, double width);
  Value random_affine(Value x, const AffineOptions& options);         ///< turned, resized and sheared in one resampling
  // These know black and white: before them stand inputs, scale, normalize, resize, repeat_channels and what is training only.
  Value random_colour(Value x, const ColourOptions& options);         ///< no pixel becomes brighter than white
  Value random_erase(Value x, const EraseOptions& options);           ///< arXiv:1708.04896; clipped squares: arXiv:1708.04552
  /// RandAugment (arXiv:1909.13719): `operations` of its set one after the other, of a magnitude from 0 to 30.
  Value random_operations(Value x, int64_t operations, double magnitude);

  /// Builds another block of a slot in a part of its own.
  Value block(const Slot& slot, std::vector<Value> inputs);
  Value block(const Slot& slot, Value input) { return block(slot, std::vector<Value>{input}); }
  /// Emits any operation of the table by name: what the named functions above do.
  Value emit(const std::string& op, const std::vector<Value>& in, Json set);

  /// Names what is emitted until the returned scope ends: "trunk" / "stage2" / ...
  class [[nodiscard]] Part {
   public:
    Part(Network& net, const std::string& name);
    ~Part();
    Part(const Part&) = delete;
    Part& operator=(const Part&) = delete;

   private:
    Network& net_;
    size_t length_;
  };
  Part part(const std::string& name) { return Part(*this, name); }
  const std::string& path() const { return path_; }

  const Shape& shape(Value x) const { return layers_.at(static_cast<size_t>(x.layer)).shape; }
  int64_t channels(Value x) const { return shape(x).at(0); }

  /// Freezes the layers from number `begin` to before number `end` until an epoch, or forever (Layer::never).
  void freeze(size_t begin, size_t end, int64_t until);

  void output(Output output) { outputs_.push_back(std::move(output)); }
  const std::vector<Layer>& layers() const { return layers_; }
  const std::vector<Output>& outputs() const { return outputs_; }
  void set_block_builder(BlockBuilder builder) { builder_ = std::move(builder); }

  /// The document of design/documents.md, "format": 1; `from_json` checks every shape again.
  Json to_json() const;
  static Network from_json(const Json& document);

 private:
  std::vector<Layer> layers_;
  std::vector<Output> outputs_;
  std::string path_;
  BlockBuilder builder_;
};

}  // namespace espalier
