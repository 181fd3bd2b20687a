// bf16 products by VDPBF16PS (AVX512_BF16): two products a lane. The hardware adds the upper product, then the
// lower one, each as a fused multiply-add. So the even k lies in the upper half, and the sums are those of
// "bf16-fma" as long as no value is subnormal, for which the instruction puts 0 (Intel SDM, VDPBF16PS): the numeric
// class "bf16-dp".
#include <immintrin.h>

#include "kernels/simd/gemm_bf16.h"

namespace mft::kernels {
namespace avx512 {
const Table& make_table();
}

namespace MFT_ISA {
namespace {

constexpr int kHeight = 12, kVectors = 2, kWidth = 16 * kVectors, kUnit = 2;  // 24 accumulators of 32 registers

// Two k of a strip, W values each, to W pairs.
void convert(const float* piece, i64 depth, int strip, std::uint16_t* to) {
  for (i64 k = 0; k < depth; k += kUnit, piece += kUnit * strip, to += kUnit * strip) {
    const bool both = k + 1 < depth;
    for (int r = 0; r < strip; ++r) {
      const std::uint32_t low = both ? bf16_bits(piece[strip + r]) >> 16 : 0;
      const std::uint32_t pair = bf16_bits(piece[r]) | low;
      __builtin_memcpy(to + kUnit * r, &pair, sizeof(pair));
    }
  }
}

template <int Rows>
void tile_of(i64 depth, const std::uint16_t* a, const std::uint16_t* b, float* sums) {
  __m512 sum[Rows][kVectors];
  MFT_UNROLL for (int r = 0; r < Rows; ++r) {
    MFT_UNROLL for (int v = 0; v < kVectors; ++v) sum[r][v] = _mm512_setzero_ps();
  }
  for (i64 k = 0; k < depth; k += kUnit) {
    __m512bh column[kVectors];
    MFT_UNROLL for (int v = 0; v < kVectors; ++v) column[v] = reinterpret_cast<__m512bh>(_mm512_loadu_si512(b + 32 * v));
    MFT_UNROLL for (int r = 0; r < Rows; ++r) {
      int pair = 0;
      __builtin_memcpy(&pair, a + kUnit * r, sizeof(pair));
      const auto row = reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair));
      MFT_UNROLL for (int v = 0; v < kVectors; ++v) sum[r][v] = _mm512_dpbf16_ps(sum[r][v], row, column[v]);
    }
    a += kUnit * kHeight;
    b += kUnit * kWidth;
  }
  MFT_UNROLL for (int r = 0; r < Rows; ++r) {
    MFT_UNROLL for (int v = 0; v < kVectors; ++v) _mm512_storeu_ps(sums + r * kWidth + 16 * v, sum[r][v]);
  }
}

void pack_rows(const Weights& source, i64 column, i64 rows, i64 depth, int strip, void* packed) {
  pack_pieces<false, kUnit>(avx512::make_table().gemm, source, column, rows, depth, strip,
                            static_cast<std::uint16_t*>(packed), convert);
}
void pack_columns(const Weights& source, i64 column, i64 rows, i64 depth, int strip, void* packed) {
  pack_pieces<true, kUnit>(avx512::make_table().gemm, source, column, rows, depth, strip,
                           static_cast<std::uint16_t*>(packed), convert);
}
void block(i64 M, i64 N, i64 K, const void* a, const void* b, float* C, i64 ldc, const BlockEpilogue& e) {
  for_tiles<kHeight, kWidth, kUnit>(
      M, N, K, static_cast<const std::uint16_t*>(a), static_cast<const std::uint16_t*>(b), C, ldc, e,
      [](i64 rows, i64 depth, const std::uint16_t* left, const std::uint16_t* right, float* sums) {
        if (rows <= 4) return tile_of<4>(depth, left, right, sums);
        if (rows <= 8) return tile_of<8>(depth, left, right, sums);
        tile_of<kHeight>(depth, left, right, sums);
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
