// Which instruction set the kernels use: chosen once from what the CPU has, or set by hand in tests.
// The environment variable MFT_ISA (a name below) overrides the choice at start.
#pragma once

#include <string_view>
#include <vector>

namespace mft::kernels {

// "sse4", "avx2", "avx512", "neon": those that this build contains and this CPU can run, best last.
std::vector<std::string_view> available_isas();

// The one in use.
std::string_view isa();

// Between kernels only. Failure "kernels.isa" if it is not among available_isas().
void set_isa(std::string_view name);

// Machines of one class give the same bits: "f32-fma" (AVX2, AVX-512, NEON) or "f32-nofma" (SSE4). Recorded
// with a run; results of different classes are never claimed identical.
std::string_view numeric_class();

}  // namespace mft::kernels
