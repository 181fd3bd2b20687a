// bf16 operands without bf16 instructions: the f32 strips, each value rounded to bf16. The f32 kernel then gives
// each element as one chain of fused multiply-adds of exact products.
#include "kernels/simd/gemm_block.h"

namespace mft::kernels::MFT_ISA {
namespace {

using U = hn::FixedTag<std::uint32_t, kWidth>;
constexpr U kU{};

// Nearest, ties to even; NaN stays NaN. n is a multiple of 4, as strips are.
void round_to_bf16(float* x, i64 n) {
  const auto mask = hn::Set(kU, 0xFFFF0000u), half = hn::Set(kU, 0x7FFFu), one = hn::Set(kU, 1u);
  const auto quiet = hn::Set(kU, 0x00400000u);
  const auto rounded = [&](V v) {
    const auto bits = hn::BitCast(kU, v);
    const auto up = hn::Add(bits, hn::Add(half, hn::And(hn::ShiftRight<16>(bits), one)));
    const V nearest = hn::BitCast(kF, hn::And(up, mask));
    const V nan = hn::BitCast(kF, hn::And(hn::Or(bits, quiet), mask));
    return hn::IfThenElse(hn::Eq(v, v), nearest, nan);
  };
  i64 i = 0;
  for (; i + kWidth <= n; i += kWidth) hn::StoreU(rounded(hn::LoadU(kF, x + i)), kF, x + i);
  if (i == n) return;
  alignas(64) float rest[kWidth] = {};
  for (i64 j = i; j < n; ++j) rest[j - i] = x[j];
  hn::StoreU(rounded(hn::LoadU(kF, rest)), kF, rest);
  for (i64 j = i; j < n; ++j) x[j] = rest[j - i];
}

}  // namespace

void pack_rows_bf16(const Weights& source, i64 column, i64 rows, i64 depth, int strip, void* packed) {
  pack_rows(source, column, rows, depth, strip, packed);
  round_to_bf16(static_cast<float*>(packed), (rows + strip - 1) / strip * strip * depth);
}

void pack_columns_bf16(const Weights& source, i64 column, i64 rows, i64 depth, int strip, void* packed) {
  pack_columns(source, column, rows, depth, strip, packed);
  round_to_bf16(static_cast<float*>(packed), (rows + strip - 1) / strip * strip * depth);
}

}  // namespace mft::kernels::MFT_ISA
