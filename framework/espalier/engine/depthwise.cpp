#include "espalier/engine/depthwise.h"

#include "espalier/engine/lanes.h"
#include "espalier/engine/pixels.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#pragma GCC diagnostic ignored "-Wpsabi"  // see lanes.h

namespace espalier::engine {

namespace {

/// Along one axis: which source position meets which place of the kernel.
struct Tap {
  int64_t place;
  int64_t source;
};
/// By target position.
using Taps = std::vector<std::vector<Tap>>;

/// For each window the pixels under it.
Taps pixels_of_windows(int64_t windows, int64_t extent, int64_t kernel, int64_t stride, int64_t before) {
  Taps taps(static_cast<size_t>(windows));
  for (int64_t window = 0; window < windows; ++window)
    for (int64_t place = 0; place < kernel; ++place)
      if (const int64_t pixel = window * stride + place - before; pixel >= 0 && pixel < extent)
        taps[static_cast<size_t>(window)].push_back({place, pixel});
  return taps;
}

/// For each pixel the windows over it.
Taps windows_of_pixels(int64_t windows, int64_t extent, int64_t kernel, int64_t stride, int64_t before) {
  Taps taps(static_cast<size_t>(extent));
  const Taps pixels = pixels_of_windows(windows, extent, kernel, stride, before);
  for (size_t window = 0; window < pixels.size(); ++window)
    for (const Tap& tap : pixels[window]) taps[static_cast<size_t>(tap.source)].push_back({tap.place, static_cast<int64_t>(window)});
  return taps;
}

/// Filters as rows of channels, one row a place of the kernel, each sixteen in the order that a pair of T has.
template <class T>
void order_channels(const float* from, float* to, int64_t channels, bool back) {
  int64_t c = 0;
  for (; c + kPair <= channels; c += kPair) {
    if (back) {
      store_in_order(to + c, load_pair(from + c), static_cast<const T*>(nullptr));
    } else {
      store_pair(to + c, load_in_order(from + c, static_cast<const T*>(nullptr)));
    }
  }
  std::copy(from + c, from + channels, to + c);
}

template <class T>
at::Tensor ordered(const at::Tensor& rows, bool back) {
  const at::Tensor from = rows.contiguous();
  at::Tensor to = at::empty_like(from);
  const int64_t channels = from.size(-1);
  for (int64_t i = 0; i < from.numel(); i += channels) order_channels<T>(from.data_ptr<float>() + i, to.data_ptr<float>() + i, channels, back);
  return to;
}

/// What a target pixel is the sum of: rows of the ordered filters, and sources.
struct Term {
  int64_t filter;
  int64_t source;
};

/// Target pixels of one row that differ by where they and their sources are alone.
struct Run {
  const Term* terms;  ///< of the first
  size_t count;
  int64_t pixels;
  int64_t target_step, source_step;  ///< values from one to the next
};

/// `kWidth` vectors of channels of `kPixels` neighbours in a run, which read the filters once: as many sums as do not wait for one
/// another.
template <int kPixels, int kWidth, class T>
ESPALIER_INLINE void gather_block(const T* from, const float* filters, const float* bias, T* to, const Run& run) {
  Pair sums[kPixels][kWidth];
#pragma GCC unroll 2
  for (int p = 0; p < kPixels; ++p)
#pragma GCC unroll 2
    for (int v = 0; v < kWidth; ++v) sums[p][v] = bias == nullptr ? Pair{} : load_pair(bias + v * kPair);
  for (size_t i = 0; i < run.count; ++i) {
    const T* source = from + run.terms[i].source;
    const float* filter = filters + run.terms[i].filter;
#pragma GCC unroll 2
    for (int v = 0; v < kWidth; ++v) {
      const Pair factor = load_pair(filter + v * kPair);
#pragma GCC unroll 2
      for (int p = 0; p < kPixels; ++p) sums[p][v] += factor * load_pair(source + p * run.source_step + v * kPair);
    }
  }
#pragma GCC unroll 2
  for (int p = 0; p < kPixels; ++p)
#pragma GCC unroll 2
    for (int v = 0; v < kWidth; ++v) store_pair(to + p * run.target_step + v * kPair, sums[p][v]);
}

/// The channels of one or two neighbours.
template <int kPixels, class T>
ESPALIER_INLINE void gather_pixels(const T* from, const float* filters, const float* bias, T* to, const Run& run, int64_t channels) {
  const auto bias_at = [bias](int64_t c) { return bias == nullptr ? nullptr : bias + c; };
  int64_t c = 0;
  for (; c + 2 * kPair <= channels; c += 2 * kPair) gather_block<kPixels, 2>(from + c, filters + c, bias_at(c), to + c, run);
  for (; c + kPair <= channels; c += kPair) gather_block<kPixels, 1>(from + c, filters + c, bias_at(c), to + c, run);
  for (; c < channels; c += kLanes) {
    const int64_t count = std::min(kLanes, channels - c);
    for (int p = 0; p < kPixels; ++p) {
      Lanes sum = bias == nullptr ? Lanes{} : load_upto(bias + c, count);
      for (size_t i = 0; i < run.count; ++i)
        sum += load_upto(filters + run.terms[i].filter + c, count) * load_upto(from + run.terms[i].source + p * run.source_step + c, count);
      store_upto(to + p * run.target_step + c, sum, count);
    }
  }
}

template <class T>
ESPALIER_INLINE void gather_body(const T* from, const float* filters, const float* bias, T* to, const Run& run, int64_t channels) {
  int64_t pixel = 0;
  for (; pixel + 2 <= run.pixels; pixel += 2, from += 2 * run.source_step, to += 2 * run.target_step)
    gather_pixels<2>(from, filters, bias, to, run, channels);
  if (pixel < run.pixels) gather_pixels<1>(from, filters, bias, to, run, channels);
}

/// One place of the kernel in one picture: a rectangle of windows and the pixels that they have there.
struct Meeting {
  int64_t place;  ///< its first sum
  int64_t rows, columns;
  int64_t window, window_row, window_step;  ///< values from the picture's first, and to the next row and column
  int64_t pixel, pixel_row, pixel_step;
};

/// Adds the products of gradients and pixels, channel by channel: of some channels all places, while their values are in the cache.
template <class T>
ESPALIER_INLINE void correlate_body(const T* gradient, const T* x, float* sums, const Meeting* meetings, size_t count, int64_t channels) {
  int64_t c = 0;
  for (; c + kPair <= channels; c += kPair)
    for (size_t i = 0; i < count; ++i) {
      const Meeting& m = meetings[i];
      Pair even = load_pair(sums + m.place + c);
      Pair odd = {};
      for (int64_t row = 0; row < m.rows; ++row) {
        const T* dy = gradient + m.window + row * m.window_row + c;
        const T* in = x + m.pixel + row * m.pixel_row + c;
        int64_t column = 0;
        for (; column + 2 <= m.columns; column += 2) {
          even += load_pair(dy) * load_pair(in);
          odd += load_pair(dy + m.window_step) * load_pair(in + m.pixel_step);
          dy += 2 * m.window_step;
          in += 2 * m.pixel_step;
        }
        if (column < m.columns) even += load_pair(dy) * load_pair(in);
      }
      store_pair(sums + m.place + c, even + odd);
    }
  for (; c < channels; c += kLanes)
    for (size_t i = 0; i < count; ++i) {
      const Meeting& m = meetings[i];
      const int64_t lanes = std::min(kLanes, channels - c);
      Lanes sum = load_upto(sums + m.place + c, lanes);
      for (int64_t row = 0; row < m.rows; ++row)
        for (int64_t column = 0; column < m.columns; ++column)
          sum += load_upto(gradient + m.window + row * m.window_row + column * m.window_step + c, lanes) *
                 load_upto(x + m.pixel + row * m.pixel_row + column * m.pixel_step + c, lanes);
      store_upto(sums + m.place + c, sum, lanes);
    }
}

#define ESPALIER_DEPTHWISE_KERNELS(T)                                                                                            \
  ESPALIER_KERNEL void gather(const T* from, const float* filters, const float* bias, T* to, const Run& run, int64_t channels) {         \
    gather_body(from, filters, bias, to, run, channels);                                                                          \
  }                                                                                                                              \
  ESPALIER_KERNEL void correlate(const T* gradient, const T* x, float* sums, const Meeting* meetings, size_t count, int64_t channels) { \
    correlate_body(gradient, x, sums, meetings, count, channels);                                                                 \
  }
ESPALIER_DEPTHWISE_KERNELS(float)
ESPALIER_DEPTHWISE_KERNELS(c10::BFloat16)
#undef ESPALIER_DEPTHWISE_KERNELS

/// How positions of targets and sources go along: `step` targets on, the same taps are `sources` sources further.
struct Pace {
  int64_t step;
  int64_t sources;
};

/// Columns whose taps are those of the first, each a pace on.
struct Stretch {
  int64_t first;
  int64_t count;
};

std::vector<Stretch> stretches_of(const Taps& columns, const Pace& pace) {
  const auto continues = [&](int64_t column) {
    const std::vector<Tap>& taps = columns[static_cast<size_t>(column)];
    const std::vector<Tap>& before = columns[static_cast<size_t>(column - pace.step)];
    return std::ranges::equal(taps, before, [&](const Tap& a, const Tap& b) { return a.place == b.place && a.source == b.source + pace.sources; });
  };
  std::vector<Stretch> stretches;
  for (int64_t start = 0; start < std::min(pace.step, std::ssize(columns)); ++start)
    for (int64_t column = start; column < std::ssize(columns); column += pace.step) {
      if (column == start || !continues(column)) stretches.push_back({column, 0});
      ++stretches.back().count;
    }
  return stretches;
}

/// Every target pixel from the sources that the taps of its row and column name.
template <class T>
void gather_all(const at::Tensor& from, const at::Tensor& filters, const at::Tensor& bias, int64_t kernel, const Taps& rows, const Taps& columns,
                const Pace& pace, at::Tensor& to) {
  const int64_t channels = from.size(1);
  const int64_t source_width = from.size(3);
  const int64_t height = to.size(2);
  const int64_t width = to.size(3);
  const float* offsets = bias.defined() ? bias.const_data_ptr<float>() : nullptr;
  const std::vector<Stretch> stretches = stretches_of(columns, pace);
  at::parallel_for(0, to.size(0) * height, 4, [&](int64_t begin, int64_t end) {
    std::vector<Term> terms(static_cast<size_t>(kernel * kernel));
    for (int64_t i = begin; i < end; ++i) {
      const T* picture = from.const_data_ptr<T>() + (i / height) * from.size(2) * source_width * channels;
      for (const Stretch& stretch : stretches) {
        Run run{.terms = terms.data(), .count = 0, .pixels = stretch.count,
                .target_step = pace.step * channels, .source_step = pace.sources * channels};
        for (const Tap& y : rows[static_cast<size_t>(i % height)])
          for (const Tap& x : columns[static_cast<size_t>(stretch.first)])
            terms[run.count++] = {(y.place * kernel + x.place) * channels, (y.source * source_width + x.source) * channels};
        gather(picture, filters.const_data_ptr<float>(), offsets, to.data_ptr<T>() + (i * width + stretch.first) * channels, run, channels);
      }
    }
  });
}

/// The windows, half-open, whose pixel at `place` of the kernel lies on the picture.
std::pair<int64_t, int64_t> met(int64_t windows, int64_t extent, int64_t place, int64_t stride, int64_t before) {
  const int64_t first = place >= before ? 0 : (before - place + stride - 1) / stride;
  const int64_t last = extent - 1 - place + before;  // stride times the last window
  return {first, last < 0 ? first : std::max(first, std::min(windows, last / stride + 1))};
}

/// The places of the kernel with the windows, of rows from `first` to before `end`, that meet pixels there.
std::vector<Meeting> meetings_of(const at::Tensor& x, const Windows& w, int64_t first, int64_t end) {
  const int64_t channels = x.size(1);
  std::vector<Meeting> meetings;
  for (int64_t place = 0; place < w.kernel * w.kernel; ++place) {
    const int64_t py = place / w.kernel;
    const int64_t px = place % w.kernel;
    const auto [highest, lowest] = met(w.height, x.size(2), py, w.stride, w.rows_before);
    const auto [left, right] = met(w.width, x.size(3), px, w.stride, w.columns_before);
    const int64_t top = std::max(highest, first);
    const int64_t bottom = std::min(lowest, end);
    if (top >= bottom || left >= right) continue;
    const int64_t y0 = top * w.stride + py - w.rows_before;
    const int64_t x0 = left * w.stride + px - w.columns_before;
    meetings.push_back({.place = place * channels, .rows = bottom - top, .columns = right - left,
                        .window = (top * w.width + left) * channels, .window_row = w.width * channels, .window_step = channels,
                        .pixel = (y0 * x.size(3) + x0) * channels, .pixel_row = w.stride * x.size(3) * channels,
                        .pixel_step = w.stride * channels});
  }
  return meetings;
}

/// Gradients of the filters, ordered: sums over pictures in a fixed number of parts, so that they do not depend on the threads.
template <class T>
at::Tensor correlate_all(const at::Tensor& gradient, const at::Tensor& x, const Windows& w) {
  constexpr int64_t kParts = 16;
  constexpr int64_t kWindowsInCache = 96;  // sixteen channels of them and of their pixels stay in the first-level cache
  const int64_t channels = x.size(1);
  const int64_t band = std::max<int64_t>(kWindowsInCache / w.width, 1);
  std::vector<std::vector<Meeting>> bands;
  for (int64_t row = 0; row < w.height; row += band) bands.push_back(meetings_of(x, w, row, row + band));
  at::Tensor sums = at::zeros({kParts, w.kernel * w.kernel, channels}, at::kFloat);
  at::parallel_for(0, kParts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part)
      for (int64_t b = part * x.size(0) / kParts; b < (part + 1) * x.size(0) / kParts; ++b)
        for (const std::vector<Meeting>& meetings : bands)
          correlate(gradient.const_data_ptr<T>() + b * w.height * w.width * channels, x.const_data_ptr<T>() + b * x.size(2) * x.size(3) * channels,
                    sums.data_ptr<float>() + part * sums.stride(0), meetings.data(), meetings.size(), channels);
  });
  return sums.sum(0);
}

/// (C, 1, k, k) -> (k * k, C).
at::Tensor rows_of(const at::Tensor& filters) { return filters.reshape({filters.size(0), -1}).t().contiguous(); }

template <class T>
at::Tensor forward_of(const at::Tensor& x, const at::Tensor& filters, const at::Tensor& bias, const Windows& w) {
  at::Tensor y = at::empty({x.size(0), x.size(1), w.height, w.width}, x.options(), at::MemoryFormat::ChannelsLast);
  gather_all<T>(x, ordered<T>(rows_of(filters), false), bias.defined() ? ordered<T>(bias, false) : bias, w.kernel,
                pixels_of_windows(w.height, x.size(2), w.kernel, w.stride, w.rows_before),
                pixels_of_windows(w.width, x.size(3), w.kernel, w.stride, w.columns_before), {.step = 1, .sources = w.stride}, y);
  return y;
}

template <class T>
at::Tensor input_gradient(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& filters, const Windows& w) {
  at::Tensor dx = at::empty(x.sizes(), x.options(), at::MemoryFormat::ChannelsLast);
  gather_all<T>(dy, ordered<T>(rows_of(filters), false), {}, w.kernel, windows_of_pixels(w.height, x.size(2), w.kernel, w.stride, w.rows_before),
                windows_of_pixels(w.width, x.size(3), w.kernel, w.stride, w.columns_before), {.step = w.stride, .sources = 1}, dx);
  return dx;
}

template <class T>
at::Tensor filter_gradient(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& filters, const Windows& w) {
  return ordered<T>(correlate_all<T>(dy, x, w), true).t().reshape(filters.sizes());
}

struct Node : torch::autograd::Function<Node> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& given, const at::Tensor& filters,
                            const std::optional<at::Tensor>& given_bias, const std::vector<int64_t>& places) {
    const at::Tensor bias = given_bias.value_or(at::Tensor());
    const Windows w{places[0], places[1], places[2], places[3], places[4], places[5]};
    const at::Tensor x = given.contiguous(at::MemoryFormat::ChannelsLast);
    context->save_for_backward({x, filters});
    context->saved_data["windows"] = places;
    context->saved_data["bias"] = bias.defined();
    return x.scalar_type() == at::kBFloat16 ? forward_of<c10::BFloat16>(x, filters, bias, w) : forward_of<float>(x, filters, bias, w);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, const torch::autograd::variable_list& outgoing) {
    const auto places = context->saved_data["windows"].toIntVector();
    const Windows w{places[0], places[1], places[2], places[3], places[4], places[5]};
    const at::Tensor x = context->get_saved_variables()[0];
    const at::Tensor filters = context->get_saved_variables()[1];
    const at::Tensor dy = outgoing[0].contiguous(at::MemoryFormat::ChannelsLast);
    const bool half = dy.scalar_type() == at::kBFloat16;
    torch::autograd::variable_list gradients(4);
    if (context->needs_input_grad(0))
      gradients[0] = half ? input_gradient<c10::BFloat16>(dy, x, filters, w) : input_gradient<float>(dy, x, filters, w);
    if (context->needs_input_grad(1))
      gradients[1] = half ? filter_gradient<c10::BFloat16>(dy, x, filters, w) : filter_gradient<float>(dy, x, filters, w);
    if (context->saved_data["bias"].toBool() && context->needs_input_grad(2)) gradients[2] = dy.sum(at::IntArrayRef{0, 2, 3}, false, at::kFloat);
    return gradients;
  }
};

}  // namespace

at::Tensor depthwise(const at::Tensor& x, const at::Tensor& filters, const at::Tensor& bias, const Windows& w) {
  return Node::apply(x, filters, bias.defined() ? std::optional(bias) : std::nullopt,
                     std::vector<int64_t>{w.kernel, w.stride, w.rows_before, w.columns_before, w.height, w.width});
}

}  // namespace espalier::engine
