#pragma once

#include <string>

namespace espalier {

/// The processor's model, "" where the system does not tell.
std::string processor_name();

/// Whether the processor has AVX-512 with bytes, words, conflicts and shorter vectors (x86-64-v4).
bool has_avx512();

/// Whether the processor multiplies pairs of bfloat16 (AVX512_BF16).
bool multiplies_bf16();

/// Whether NVIDIA's driver runs a GPU here.
bool has_gpu();

}  // namespace espalier
