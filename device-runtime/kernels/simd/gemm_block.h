// The inner products: packing into strips and the block product over them.
// A packed operand of R rows (of A, or columns of B) and depth K is ceil(R / W) strips; a strip is K groups
// of W floats, rows beyond R are 0. W is kTileRows for the left operand, kTileColumns for the right one.
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

// source row r at source + r * ld, `depth` values each: a transposing pack.
void pack_rows(const void* source, DType dtype, i64 ld, i64 rows, i64 depth, int strip, float* packed);
// source is the transposed matrix: value k of all rows at source + k * ld.
void pack_columns(const void* source, DType dtype, i64 ld, i64 rows, i64 depth, int strip, float* packed);

// C [M, N] = alpha * A B + what the epilogue says, for one k block of packed operands.
void gemm_block(i64 M, i64 N, i64 K, const float* a, const float* b, float* C, i64 ldc,
                const BlockEpilogue& epilogue);

}  // namespace mft::kernels::MFT_ISA
