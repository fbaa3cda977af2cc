#include "espalier/engine/depthwise.h"

#include "espalier/engine/depthwise_kernels.h"
#include "espalier/engine/pixels.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace espalier::engine {

namespace {

using namespace kernels;

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

/// Rows of channels in the order that pairs of T have, or `back`.
template <class T>
at::Tensor ordered(const at::Tensor& rows, bool back) {
  const at::Tensor from = rows.contiguous();
  at::Tensor to = at::empty_like(from);
  const int64_t channels = from.size(-1);
  const T* pictures = nullptr;  // names the type alone
  for (int64_t i = 0; i < from.numel(); i += channels) order_channels(from.data_ptr<float>() + i, to.data_ptr<float>() + i, channels, back, pictures);
  return to;
}

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
