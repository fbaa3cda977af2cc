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

/// Whether the device multiplies bfloat16: processors with AVX512_BF16 and, by cuDNN, NVIDIA's GPUs since Ampere.
bool multiplies_bf16(at::Device device);

/// The type in which convolutions and matrices are multiplied, as `train.precision` asks: float32, bf16, fp16 (a GPU alone), or
/// auto, the fastest that is there. Throws E0421 if what is asked for is not.
at::ScalarType arithmetic_of(const std::string& precision, bool on_processor, bool has_bf16);
/// The same, but float32 where what is asked for is not there.
at::ScalarType nearest_arithmetic(const std::string& precision, bool on_processor, bool has_bf16);
/// The name of one: float32, bf16 or fp16.
std::string name_of(at::ScalarType arithmetic);

/// A tensor of the processor on the device. A GPU takes it from pinned memory while the processor goes on.
at::Tensor sent_to(at::Device device, const at::Tensor& x);

/// Waits until the device has done all that it was given.
void wait_for(at::Device device);

}  // namespace espalier::engine
