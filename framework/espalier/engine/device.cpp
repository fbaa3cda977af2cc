#include "espalier/engine/device.h"

#include "espalier/data/processor.h"
#include "espalier/error.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/version.h>

namespace espalier::engine {

at::Device device_named(const std::string& name) {
  const bool has_gpu = at::hasCUDA();
  if (name == "cpu" || (name == "auto" && !has_gpu)) return at::kCPU;
  if (name == "cuda" || name == "auto") {
    if (has_gpu) return {at::kCUDA, 0};
    fail("E0426", "device is cuda, and this LibTorch (" TORCH_VERSION ") finds no GPU", "auto takes what the machine has; cpu works everywhere");
  }
  fail("E0426", "no device is called '" + name + "'", "auto, cpu and cuda are there");
}

bool multiplies_bf16(at::Device device) {
  return device.is_cpu() ? espalier::multiplies_bf16() : at::detail::getCUDAHooks().supportsBFloat16ConvolutionWithCuDNNv8();
}

at::ScalarType arithmetic_of(const std::string& precision, bool on_processor, bool has_bf16) {
  constexpr const char* kHint = "auto takes what the machine has; float32 works everywhere";
  if (precision == "float32") return at::kFloat;
  if (precision == "bf16" && !has_bf16)
    fail("E0421", std::string("precision is bf16, which this ") + (on_processor ? "processor does not multiply (avx512_bf16)" : "GPU does not multiply"),
         kHint);
  if (precision == "fp16" && on_processor) fail("E0421", "precision is fp16, which is for GPUs, and the training runs on the processor", kHint);
  if (precision == "fp16") return at::kHalf;
  if (has_bf16) return at::kBFloat16;
  return on_processor ? at::kFloat : at::kHalf;
}

at::ScalarType nearest_arithmetic(const std::string& precision, bool on_processor, bool has_bf16) {
  const bool is_there = precision == "bf16" ? has_bf16 : precision == "fp16" ? !on_processor : true;
  return arithmetic_of(is_there ? precision : "float32", on_processor, has_bf16);
}

std::string name_of(at::ScalarType arithmetic) {
  return arithmetic == at::kBFloat16 ? "bf16" : arithmetic == at::kHalf ? "fp16" : "float32";
}

at::Tensor sent_to(at::Device device, const at::Tensor& x) {
  return device.is_cuda() && x.is_cpu() ? x.pin_memory().to(device, x.scalar_type(), true) : x.to(device);
}

void wait_for(at::Device device) {
  if (device.is_cpu()) return;
  const c10::impl::VirtualGuardImpl guard(device.type());
  guard.synchronizeDevice(device.index());
}

}  // namespace espalier::engine
