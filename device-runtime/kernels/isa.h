// Which instruction set the kernels use: chosen once from what the CPU has, or set by hand in tests.
// The environment variable MFT_ISA (a name below) overrides the choice at start.
#pragma once

#include <string_view>
#include <vector>

#include "kernels/types.h"

namespace mft::kernels {

// "sse4", "avx2", "avx512", "avx512_bf16" (with VDPBF16PS), "neon", "neon_bf16" (with BFMMLA): those that this
// build contains and this CPU can run, best last. The _bf16 ones differ from the set before them in
// Compute::kBF16 alone.
std::vector<std::string_view> available_isas();

// The one in use.
std::string_view isa();

// Between kernels only. Failure "kernels.isa" if it is not among available_isas().
void set_isa(std::string_view name);

// Machines of one class give the same bits. Recorded with a run; results of different classes are never claimed
// identical. In f32: "f32-fma" (AVX2, AVX-512, NEON) or "f32-nofma" (SSE4). With products in bf16, whose operands
// are rounded alike everywhere, by how their sums are made (all else is f32):
//   "bf16-fma", "bf16-nofma"  the f32 kernels of these classes on rounded operands
//   "bf16-mmla"               BFMMLA: products added by twos, sums rounded to odd (simd/gemm_bf16_mmla.cc)
//   "bf16-dp"                 VDPBF16PS: as bf16-fma, but subnormals are 0 (simd/gemm_bf16_dp.cc)
std::string_view numeric_class(Compute compute = Compute::kF32);

}  // namespace mft::kernels
