#pragma once

// A device that the processor computes for, but whose memory it cannot touch: as a GPU, it is killed where it tries. What runs here
// keeps every tensor where it belongs. Include it in one file of a program: LibTorch learns of the device when the program starts.

#include <ATen/ATen.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/Allocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace espalier::test {

constexpr c10::DeviceType kMade = c10::DeviceType::PrivateUse1;
inline at::Device made_device() { return {kMade, 0}; }

/// One memory at two places: `hidden` is where tensors say that they are, and may not be touched; `seen` is for the operations here.
class MadeMemory final : public c10::Allocator {
 public:
  static MadeMemory& the() {
    static MadeMemory memory;
    return memory;
  }

  c10::DataPtr allocate(size_t bytes) override {
    if (bytes == 0) return {nullptr, made_device()};
    const std::lock_guard lock(mutex_);
    const size_t size = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    auto& spare = spare_[size];
    std::byte* at = hidden_ + used_;
    if (!spare.empty()) {
      at = spare.back();
      spare.pop_back();
    } else if (used_ + size > kBytes) {
      throw std::runtime_error("the made device is full");
    } else {
      used_ += size;
    }
    sizes_[at] = size;
    return {at, at, &give_back, made_device()};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, size_t count) const override { std::memcpy(seen(to), seen(from), count); }

  void* seen(const void* hidden) const { return hidden == nullptr ? nullptr : seen_ + (static_cast<const std::byte*>(hidden) - hidden_); }

 private:
  static constexpr size_t kBytes = size_t{1} << 31U;
  static constexpr size_t kAlignment = 64;

  MadeMemory() {
    const int file = memfd_create("made device", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, kBytes) != 0) throw std::runtime_error("no memory for the made device");
    hidden_ = static_cast<std::byte*>(mmap(nullptr, kBytes, PROT_NONE, MAP_SHARED, file, 0));
    seen_ = static_cast<std::byte*>(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
    close(file);
  }

  static void give_back(void* hidden) {
    if (hidden == nullptr) return;
    MadeMemory& memory = the();
    const std::lock_guard lock(memory.mutex_);
    auto* at = static_cast<std::byte*>(hidden);
    memory.spare_[memory.sizes_.at(at)].push_back(at);
  }

  std::byte* hidden_ = nullptr;
  std::byte* seen_ = nullptr;
  size_t used_ = 0;
  std::map<size_t, std::vector<std::byte*>> spare_;
  std::map<std::byte*, size_t> sizes_;
  std::mutex mutex_;
};

/// The same values as a tensor of the processor: what is written to one is in the other.
inline at::Tensor seen(const at::Tensor& x) {
  if (!x.defined() || x.device().type() != kMade) return x;
  return at::from_blob(MadeMemory::the().seen(x.const_data_ptr()), x.sizes(), x.strides(), x.options().device(at::kCPU).requires_grad(false));
}

namespace made {

inline at::Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> type, std::optional<at::Layout>, std::optional<at::Device>,
                        std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(size, &MadeMemory::the(), c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), c10::dtype_or_default(type), format);
}

inline at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride, std::optional<at::ScalarType> type, std::optional<at::Layout>,
                                std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &MadeMemory::the(), c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                           c10::dtype_or_default(type));
}

inline at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool) {
  seen(to).copy_(seen(from));
  return to;
}

inline at::Tensor on_device(const at::Tensor& x) {
  return !x.defined() || !x.device().is_cpu() ? x : copy_from(x, at::empty_like(x, x.options().device(made_device())), false);
}

using Three = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

inline at::Tensor convolution(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias, at::IntArrayRef stride,
                              at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed, at::IntArrayRef more, int64_t groups) {
  return on_device(at::convolution(seen(x), seen(weight), bias ? std::optional(seen(*bias)) : bias, stride, padding, dilation, transposed, more, groups));
}

inline Three convolution_backward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight, at::IntArrayRef stride,
                                  at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed, at::IntArrayRef more, int64_t groups,
                                  std::array<bool, 3> wanted) {
  const auto [dx, dweight, dbias] = at::convolution_backward(seen(dy), seen(x), seen(weight), at::IntArrayRef{weight.size(0)}, stride, padding,
                                                             dilation, transposed, more, groups, wanted);
  return {on_device(dx), on_device(dweight), on_device(dbias)};
}

/// An argument as the processor's operation takes it. Tensors on both devices at once are refused, as a GPU does; single numbers pass.
inline c10::IValue taken(const c10::IValue& value, const std::string& op) {
  const auto one = [&](const at::Tensor& x) {
    if (x.defined() && x.device().is_cpu() && x.dim() > 0)
      throw std::runtime_error(op + " was given a tensor of the processor beside those of the device");
    return seen(x);
  };
  if (value.isTensor()) return one(value.toTensor());
  if (value.isDevice()) return c10::Device(at::kCPU);
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& x : value.toTensorVector()) list.push_back(one(x));
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<at::Tensor>> list;
    for (const std::optional<at::Tensor>& x : value.toOptionalTensorVector()) list.push_back(x ? std::optional(one(*x)) : x);
    return list;
  }
  return value;
}

/// Every other operation, by the processor. What it writes in place is written; what it returns anew goes to the device.
inline void operation(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const c10::FunctionSchema& schema = op.schema();
  const size_t count = schema.arguments().size();
  const size_t begin = stack->size() - count;
  const std::vector<c10::IValue> given(stack->begin() + static_cast<std::ptrdiff_t>(begin), stack->end());
  std::vector<std::pair<at::Tensor, at::Tensor>> filled;  // results of no size yet, and what takes their place
  for (size_t i = 0; i < count; ++i) {
    (*stack)[begin + i] = taken(given[i], schema.name());
    const auto* alias = schema.arguments()[i].alias_info();
    if (alias == nullptr || !alias->isWrite() || !given[i].isTensor() || given[i].toTensor().numel() > 0) continue;
    filled.emplace_back(given[i].toTensor(), at::empty({0}, given[i].toTensor().options().device(at::kCPU)));
    (*stack)[begin + i] = filled.back().second;
  }
  op.callBoxed(stack);
  for (auto& [result, values] : filled) result.unsafeGetTensorImpl()->shallow_copy_from(on_device(values).getIntrusivePtr());
  const size_t first = stack->size() - schema.returns().size();
  for (size_t r = 0; r < schema.returns().size(); ++r) {
    c10::IValue& value = (*stack)[first + r];
    const auto* alias = schema.returns()[r].alias_info();
    if (alias != nullptr && alias->isWrite()) {
      for (size_t i = 0; i < count; ++i)
        if (const auto* of = schema.arguments()[i].alias_info(); of != nullptr && *of == *alias) value = given[i];
    } else if (value.isTensor()) {
      value = on_device(value.toTensor());
    } else if (value.isTensorList()) {
      c10::List<at::Tensor> list;
      for (const at::Tensor& x : value.toTensorVector()) list.push_back(on_device(x));
      value = list;
    }
  }
}

/// Nothing is done behind anyone's back: there is one queue, and it is always empty.
struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return kMade; }
  c10::Device exchangeDevice(c10::Device) const override { return made_device(); }
  c10::Device getDevice() const override { return made_device(); }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::Stream getStream(c10::Device) const override { return c10::Stream(c10::Stream::DEFAULT, made_device()); }
  c10::Stream exchangeStream(c10::Stream) const override { return c10::Stream(c10::Stream::DEFAULT, made_device()); }
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  void synchronizeDevice(c10::DeviceIndex) const override {}
};

struct Hooks final : at::PrivateUse1HooksInterface {
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
};

}  // namespace made

C10_REGISTER_GUARD_IMPL(PrivateUse1, made::Guard)
inline const bool kIsKnown = [] {
  static made::Hooks hooks;
  c10::register_privateuse1_backend("made");
  at::RegisterPrivateUse1HooksInterface(&hooks);
  return true;
}();

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&made::operation>()); }

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", &made::empty);
  m.impl("empty_strided", &made::empty_strided);
  m.impl("_copy_from", &made::copy_from);
  m.impl("as_strided", &at::native::as_strided_tensorimpl);
  m.impl("view", &at::native::view);
  m.impl("_reshape_alias", &at::native::_reshape_alias);
  m.impl("convolution_overrideable", &made::convolution);
  m.impl("convolution_backward_overrideable", &made::convolution_backward);
}

}  // namespace espalier::test
