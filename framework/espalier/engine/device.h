#pragma once

#include <ATen/ATen.h>

#include <string>

namespace espalier::engine {

/// The device that `train.device` asks for: cpu, cuda, or auto, which is cuda where LibTorch knows it and a GPU is there. Throws
/// E0426 where there is none of what is asked for.
///
/// Kernels of our own are the processor's. Tensors on any other device, whose memory the processor cannot read, go through
/// LibTorch's.
at::Device device_named(const std::string& name);

/// Waits until the device has done all that it was given.
void wait_for(at::Device device);

}  // namespace espalier::engine
