// The inner products: packing into strips and the block product over them.
#pragma once

#include "kernels/gemm.h"
#include "kernels/simd/lanes.h"
#include "kernels/simd/table.h"

namespace mft::kernels::MFT_ISA {

// The register tile: as many accumulators as fit beside one row of B and a broadcast of A.
#if HWY_TARGET == HWY_AVX3
constexpr int kTileRows = 12, kTileVectors = 2;  // 12 x 32 of 32 registers
#elif HWY_TARGET == HWY_AVX2
constexpr int kTileRows = 4, kTileVectors = 3;  // 4 x 24 of 16 registers
#elif HWY_TARGET == HWY_NEON
constexpr int kTileRows = 8, kTileVectors = 3;  // 8 x 12 of 32 registers
#else
constexpr int kTileRows = 4, kTileVectors = 3;  // 4 x 12 of 16 registers
#endif
constexpr int kTileColumns = kTileVectors * kWidth;
static_assert(96 % kTileRows == 0 && 96 % kTileColumns == 0 && kTileRows % 4 == 0 && kTileColumns % 4 == 0);

// The kernels of GemmKernels (simd/table.h) in f32.
void pack_rows(const Weights& source, i64 column, i64 rows, i64 depth, int strip, void* packed);
void pack_columns(const Weights& source, i64 column, i64 rows, i64 depth, int strip, void* packed);
void gemm_block(i64 M, i64 N, i64 K, const void* a, const void* b, float* C, i64 ldc,
                const BlockEpilogue& epilogue);

// The same strips with every value rounded to bf16.
void pack_rows_bf16(const Weights& source, i64 column, i64 rows, i64 depth, int strip, void* packed);
void pack_columns_bf16(const Weights& source, i64 column, i64 rows, i64 depth, int strip, void* packed);

// The same for f32 in memory with row distance ld.
MFT_INLINE void pack_rows(const float* source, DType, i64 ld, i64 rows, i64 depth, int strip, float* packed) {
  pack_rows(Weights(source, DType::kF32, ld), 0, rows, depth, strip, packed);
}
MFT_INLINE void pack_columns(const float* source, DType, i64 ld, i64 rows, i64 depth, int strip, float* packed) {
  pack_columns(Weights(source, DType::kF32, ld), 0, rows, depth, strip, packed);
}

}  // namespace mft::kernels::MFT_ISA
