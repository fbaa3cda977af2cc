#include "espalier/engine/device.h"

#include "espalier/error.h"

#include <ATen/Context.h>
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

void wait_for(at::Device device) {
  if (device.is_cpu()) return;
  const c10::impl::VirtualGuardImpl guard(device.type());
  guard.synchronizeDevice(device.index());
}

}  // namespace espalier::engine
