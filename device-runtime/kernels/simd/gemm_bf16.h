// What the kernels of `compute: bf16` share: packing through the f32 kernels with operands rounded to bf16, and
// the loop over tiles. Included by files that are compiled for one instruction set each (simd/lanes.h says what
// such files avoid); the hardware's own bf16 instructions are in gemm_bf16_mmla.cc and gemm_bf16_dp.cc.
#pragma once

#include "kernels/simd/macros.h"
#include "kernels/simd/table.h"

namespace mft::kernels::MFT_ISA {

// The upper half of the bits of x rounded to bf16: nearest, ties to even; NaN stays NaN.
MFT_INLINE std::uint32_t bf16_bits(float x) {
  const auto bits = __builtin_bit_cast(std::uint32_t, x);
  const std::uint32_t rounded = (bits + 0x7FFFu + (bits >> 16 & 1u)) & 0xFFFF0000u;
  return (bits & 0x7FFFFFFFu) > 0x7F800000u ? (bits | 0x00400000u) & 0xFFFF0000u : rounded;
}

// Packs (simd/table.h, GemmKernels) by pieces that stay in the first-level cache. A piece is packed by the f32
// kernel; convert(piece, depth, strip, to) then writes one strip of it, its depth rounded up to `unit`.
template <bool Columns, int Unit, class Convert>
MFT_INLINE void pack_pieces(const GemmKernels& f32, const Weights& source, i64 column, i64 rows, i64 depth, int strip,
                            std::uint16_t* packed, const Convert& convert) {
  constexpr i64 kRows = 96, kDepth = 32;  // rows: a multiple of every strip; depth: of every unit
  alignas(64) float piece[kRows * kDepth];
  const i64 stride = (depth + Unit - 1) / Unit * Unit;  // of a strip, in k
  for (i64 r = 0; r < rows; r += kRows) {
    const i64 here = rows - r < kRows ? rows - r : kRows;
    for (i64 k = 0; k < depth; k += kDepth) {
      const i64 deep = depth - k < kDepth ? depth - k : kDepth;
      if constexpr (Columns) {
        f32.pack_columns(source.row(k), column + r, here, deep, strip, piece);
      } else {
        f32.pack_rows(source.row(r), column + k, here, deep, strip, piece);
      }
      for (i64 s = 0; s < here; s += strip) {
        convert(piece + s * deep, deep, strip, packed + (r + s) * stride + k * strip);
      }
    }
  }
}

// C [rows, columns] = alpha * sums + what the epilogue says; sums has row distance Width.
template <int Width>
MFT_INLINE void store_sums(const float* sums, i64 rows, i64 columns, float* C, i64 ldc, const BlockEpilogue& e,
                           const float* bias, const float* residual) {
  for (i64 r = 0; r < rows; ++r) {
    float start[Width] = {};
    for (i64 n = 0; bias != nullptr && n < columns; ++n) start[n] = bias[n];
    for (i64 n = 0; residual != nullptr && n < columns; ++n) start[n] += residual[r * e.ld_residual + n];
    for (i64 n = 0; e.accumulate && n < columns; ++n) start[n] += C[r * ldc + n];
    for (i64 n = 0; n < columns; ++n) C[r * ldc + n] = __builtin_fmaf(e.alpha, sums[r * Width + n], start[n]);
  }
}

// All tiles of a block: tile(rows, depth, a, b, sums) fills sums [Height, Width] from two strips.
template <int Height, int Width, int Unit, class Tile>
MFT_INLINE void for_tiles(i64 M, i64 N, i64 K, const std::uint16_t* a, const std::uint16_t* b, float* C, i64 ldc,
                          const BlockEpilogue& e, const Tile& tile) {
  alignas(64) float sums[Height * Width];
  const i64 depth = (K + Unit - 1) / Unit * Unit;
  for (i64 n = 0; n < N; n += Width) {
    const i64 columns = N - n < Width ? N - n : Width;
    for (i64 m = 0; m < M; m += Height) {
      const i64 rows = M - m < Height ? M - m : Height;
      tile(rows, depth, a + m * depth, b + n * depth, sums);
      store_sums<Width>(sums, rows, columns, C + m * ldc + n, ldc, e, e.bias == nullptr ? nullptr : e.bias + n,
                        e.residual == nullptr ? nullptr : e.residual + m * e.ld_residual + n);
    }
  }
}

}  // namespace mft::kernels::MFT_ISA
