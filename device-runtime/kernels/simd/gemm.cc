// The register tile and the loop over tiles of one block.
#include "kernels/simd/gemm_block.h"

namespace mft::kernels::MFT_ISA {
namespace {

// Reads a vector of what the result is added to.
MFT_INLINE V initial(const float* C, const BlockEpilogue& e, const float* bias, const float* residual) {
  V v = hn::Zero(kF);
  if (bias != nullptr) v = hn::LoadU(kF, bias);
  if (residual != nullptr) v = hn::Add(v, hn::LoadU(kF, residual));
  if (e.accumulate) v = hn::Add(v, hn::LoadU(kF, C));
  return v;
}

// sum[r] += a[r] * column for the rows of a tile.
#if HWY_TARGET == HWY_NEON
// Four values of A in one register, multiplied by lane: with a register for each value gcc spills
// accumulators.
template <int Rows, int R = 0>
MFT_INLINE void multiply_lanes(const V* a, const V (&column)[kTileVectors], V (&sum)[Rows][kTileVectors]) {
  MFT_UNROLL for (int v = 0; v < kTileVectors; ++v) {
    sum[R][v].raw = vfmaq_laneq_f32(sum[R][v].raw, column[v].raw, a[R / 4].raw, R % 4);
  }
  if constexpr (R + 1 < Rows) multiply_lanes<Rows, R + 1>(a, column, sum);
}
#endif
template <int Rows>
MFT_INLINE void multiply_add(const float* a, const V (&column)[kTileVectors], V (&sum)[Rows][kTileVectors]) {
#if HWY_TARGET == HWY_NEON
  if constexpr (Rows >= 4) {
    V values[Rows / 4];
    MFT_UNROLL for (int i = 0; i < Rows / 4; ++i) values[i] = hn::LoadU(kF, a + 4 * i);
    return multiply_lanes<Rows>(values, column, sum);
  }
#endif
  MFT_UNROLL for (int r = 0; r < Rows; ++r) {
    const V row = hn::Set(kF, a[r]);
    MFT_UNROLL for (int v = 0; v < kTileVectors; ++v) sum[r][v] = hn::MulAdd(row, column[v], sum[r][v]);
  }
}

MFT_INLINE void fetch(Ahead& ahead) {
  if (ahead.left == 0) return;
  __builtin_prefetch(ahead.at, 0, 2);
  ahead.at += 64;
  --ahead.left;
  if (--ahead.in_row == 0) {
    ahead.at += ahead.jump;
    ahead.in_row = ahead.row_lines;
  }
}

template <int Rows>
MFT_INLINE void multiply_step(const float*& a, const float*& b, V (&sum)[Rows][kTileVectors]) {
  V column[kTileVectors];
  MFT_UNROLL for (int v = 0; v < kTileVectors; ++v) column[v] = hn::LoadU(kF, b + v * kWidth);
  multiply_add<Rows>(a, column, sum);
  a += kTileRows;
  b += kTileColumns;
}

// One tile: C [Rows, kTileColumns], Rows <= kTileRows. bias and residual are of the tile's first element.
template <int Rows>
void tile(i64 K, const float* a, const float* b, float* C, i64 ldc, const BlockEpilogue& e, const float* bias,
          const float* residual, i64 ld_residual) {
  V sum[Rows][kTileVectors];
  MFT_UNROLL for (int r = 0; r < Rows; ++r) {
    MFT_UNROLL for (int v = 0; v < kTileVectors; ++v) sum[r][v] = hn::Zero(kF);
  }
  MFT_UNROLL for (int r = 0; r < Rows; ++r) {
    __builtin_prefetch(C + r * ldc);
    __builtin_prefetch(C + r * ldc + kTileColumns - 1);
  }
  i64 k = 0;
  if (e.ahead != nullptr) {
    Ahead ahead = *e.ahead;
    for (; k + 2 <= K; k += 2) {
      // A short tile is over soon: it has to fetch more at a time.
      MFT_UNROLL for (int i = 0; i < (Rows <= 4 ? 4 : 1); ++i) fetch(ahead);
      multiply_step<Rows>(a, b, sum);
      multiply_step<Rows>(a, b, sum);
    }
    *e.ahead = ahead;
  }
  for (; k < K; ++k) multiply_step<Rows>(a, b, sum);
  const V alpha = hn::Set(kF, e.alpha);
  if (bias == nullptr && residual == nullptr) {  // the common cases without tests inside the loops
    if (!e.accumulate) {
      MFT_UNROLL for (int r = 0; r < Rows; ++r) {
        MFT_UNROLL for (int v = 0; v < kTileVectors; ++v) {
          hn::StoreU(hn::MulAdd(alpha, sum[r][v], hn::Zero(kF)), kF, C + r * ldc + v * kWidth);
        }
      }
    } else {
      MFT_UNROLL for (int r = 0; r < Rows; ++r) {
        MFT_UNROLL for (int v = 0; v < kTileVectors; ++v) {
          float* const c = C + r * ldc + v * kWidth;
          hn::StoreU(hn::MulAdd(alpha, sum[r][v], hn::LoadU(kF, c)), kF, c);
        }
      }
    }
    return;
  }
  MFT_UNROLL for (int r = 0; r < Rows; ++r) {
    MFT_UNROLL for (int v = 0; v < kTileVectors; ++v) {
      float* const c = C + r * ldc + v * kWidth;
      const V start = initial(c, e, bias == nullptr ? nullptr : bias + v * kWidth,
                              residual == nullptr ? nullptr : residual + r * ld_residual + v * kWidth);
      hn::StoreU(hn::MulAdd(alpha, sum[r][v], start), kF, c);
    }
  }
}

constexpr bool is_compiled(i64 rows) {
  return rows == kTileRows || rows == 1 || rows == 2 || rows == 4 || rows == 8;
}

// The smallest of the compiled tiles that has `rows` rows.
void tile_of(i64 rows, i64 K, const float* a, const float* b, float* C, i64 ldc, const BlockEpilogue& e,
             const float* bias, const float* residual, i64 ld_residual) {
  if (rows == 1) return tile<1>(K, a, b, C, ldc, e, bias, residual, ld_residual);
  if (rows == 2) return tile<2>(K, a, b, C, ldc, e, bias, residual, ld_residual);
  if constexpr (kTileRows > 4) {
    if (rows <= 4) return tile<4>(K, a, b, C, ldc, e, bias, residual, ld_residual);
  }
  if constexpr (kTileRows > 8) {
    if (rows <= 8) return tile<8>(K, a, b, C, ldc, e, bias, residual, ld_residual);
  }
  tile<kTileRows>(K, a, b, C, ldc, e, bias, residual, ld_residual);
}

// A tile at the edge of C: computed in full on a copy, only the part inside is read and written.
void edge_tile(i64 rows, i64 columns, i64 K, const float* a, const float* b, float* C, i64 ldc,
               const BlockEpilogue& e, const float* bias, const float* residual) {
  alignas(64) float c[kTileRows * kTileColumns] = {};
  alignas(64) float addend[kTileRows * kTileColumns] = {};
  alignas(64) float offset[kTileColumns] = {};
  for (i64 r = 0; r < rows; ++r) {
    for (i64 n = 0; n < columns; ++n) {
      if (e.accumulate) c[r * kTileColumns + n] = C[r * ldc + n];
      if (residual != nullptr) addend[r * kTileColumns + n] = residual[r * e.ld_residual + n];
    }
  }
  if (bias != nullptr) {
    for (i64 n = 0; n < columns; ++n) offset[n] = bias[n];
  }
  tile_of(rows, K, a, b, c, kTileColumns, e, bias == nullptr ? nullptr : offset,
          residual == nullptr ? nullptr : addend, kTileColumns);
  for (i64 r = 0; r < rows; ++r) {
    for (i64 n = 0; n < columns; ++n) C[r * ldc + n] = c[r * kTileColumns + n];
  }
}

}  // namespace

void gemm_block(i64 M, i64 N, i64 K, const void* packed_a, const void* packed_b, float* C, i64 ldc,
                const BlockEpilogue& e) {
  const float *const a = static_cast<const float*>(packed_a), *const b = static_cast<const float*>(packed_b);
  for (i64 n = 0; n < N; n += kTileColumns) {
    const float* const strip = b + n * K;
    const i64 columns = N - n < kTileColumns ? N - n : kTileColumns;
    const float* const bias = e.bias == nullptr ? nullptr : e.bias + n;
    for (i64 m = 0; m < M; m += kTileRows) {
      const i64 rows = M - m < kTileRows ? M - m : kTileRows;
      const float* const residual = e.residual == nullptr ? nullptr : e.residual + m * e.ld_residual + n;
      float* const c = C + m * ldc + n;
      if (columns == kTileColumns && is_compiled(rows)) {
        tile_of(rows, K, a + m * K, strip, c, ldc, e, bias, residual, e.ld_residual);
      } else {
        edge_tile(rows, columns, K, a + m * K, strip, c, ldc, e, bias, residual);
      }
    }
  }
}

}  // namespace mft::kernels::MFT_ISA
