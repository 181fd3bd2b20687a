// bf16 products by BFMMLA (FEAT_BF16, armv8.6-a): 2 x 2 sums of 4 products each an instruction. The hardware adds
// the products of k and k + 1, then that sum to the accumulator, each addition rounded to odd and without
// subnormals (Arm ARM, BFMatMulAdd, FPCR.EBF = 0): the numeric class "bf16-mmla", which BFDOT would give too.
// A strip is packed by four k: four values of its first row, four of its second, ...
#include <arm_neon.h>

#include "kernels/simd/gemm_bf16.h"

namespace mft::kernels {
namespace neon {
const Table& make_table();
}

namespace MFT_ISA {
namespace {

constexpr int kHeight = 8, kWidth = 12, kUnit = 4;  // 24 accumulators, 4 + 6 operands, of 32 registers

// Four k of a strip, W values each, to W groups of four.
void convert(const float* piece, i64 depth, int strip, std::uint16_t* to) {
  for (i64 k = 0; k < depth; k += kUnit, to += kUnit * strip) {
    for (i64 r = 0; r < strip; r += 4) {
      uint16x4x4_t four;
      for (int i = 0; i < kUnit; ++i) {
        const float32x4_t x = k + i < depth ? vld1q_f32(piece + (k + i) * strip + r) : vdupq_n_f32(0.0f);
        four.val[i] = vreinterpret_u16_bf16(vcvt_bf16_f32(x));
      }
      vst4_u16(to + 4 * r, four);
    }
  }
}

template <int Pairs>
void tile_of(i64 depth, const std::uint16_t* a, const std::uint16_t* b, float* sums) {
  float32x4_t sum[Pairs][kWidth / 2];
  for (auto& row : sum) {
    for (auto& block : row) block = vdupq_n_f32(0.0f);
  }
  for (i64 k = 0; k < depth; k += kUnit) {
    bfloat16x8_t rows[Pairs];
    MFT_UNROLL for (int i = 0; i < Pairs; ++i) rows[i] = vreinterpretq_bf16_u16(vld1q_u16(a + 8 * i));
    MFT_UNROLL for (int j = 0; j < kWidth / 2; j += 2) {
      const bfloat16x8_t left = vreinterpretq_bf16_u16(vld1q_u16(b + 8 * j)),
                         right = vreinterpretq_bf16_u16(vld1q_u16(b + 8 * j + 8));
      MFT_UNROLL for (int i = 0; i < Pairs; ++i) {
        sum[i][j] = vbfmmlaq_f32(sum[i][j], rows[i], left);
        sum[i][j + 1] = vbfmmlaq_f32(sum[i][j + 1], rows[i], right);
      }
      asm volatile("" ::: "memory");  // gcc would load all columns first and spill accumulators
    }
    a += kUnit * kHeight;
    b += kUnit * kWidth;
  }
  for (int i = 0; i < Pairs; ++i) {
    for (int j = 0; j < kWidth / 2; ++j) {  // [c00 c01 c10 c11]
      vst1_f32(sums + 2 * i * kWidth + 2 * j, vget_low_f32(sum[i][j]));
      vst1_f32(sums + (2 * i + 1) * kWidth + 2 * j, vget_high_f32(sum[i][j]));
    }
  }
}

void pack_rows(const Weights& source, i64 column, i64 rows, i64 depth, int strip, void* packed) {
  pack_pieces<false, kUnit>(neon::make_table().gemm, source, column, rows, depth, strip,
                            static_cast<std::uint16_t*>(packed), convert);
}
void pack_columns(const Weights& source, i64 column, i64 rows, i64 depth, int strip, void* packed) {
  pack_pieces<true, kUnit>(neon::make_table().gemm, source, column, rows, depth, strip,
                           static_cast<std::uint16_t*>(packed), convert);
}
void block(i64 M, i64 N, i64 K, const void* a, const void* b, float* C, i64 ldc, const BlockEpilogue& e) {
  for_tiles<kHeight, kWidth, kUnit>(
      M, N, K, static_cast<const std::uint16_t*>(a), static_cast<const std::uint16_t*>(b), C, ldc, e,
      [](i64 rows, i64 depth, const std::uint16_t* left, const std::uint16_t* right, float* sums) {
        if (rows <= 2) return tile_of<1>(depth, left, right, sums);
        if (rows <= 4) return tile_of<2>(depth, left, right, sums);
        tile_of<kHeight / 2>(depth, left, right, sums);
      });
}

}  // namespace

constexpr GemmKernels kKernels{.tile_rows = kHeight,
                               .tile_columns = kWidth,
                               .value_bytes = 2,
                               .depth_unit = kUnit,
                               .pack_rows = pack_rows,
                               .pack_columns = pack_columns,
                               .block = block};

const GemmKernels& gemm_bf16();
const GemmKernels& gemm_bf16() { return kKernels; }

}  // namespace MFT_ISA
}  // namespace mft::kernels
