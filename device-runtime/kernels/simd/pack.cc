// Packing: source matrices of any storage type and orientation become strips of f32 (layout in gemm_block.h).
#include "kernels/simd/gemm_block.h"

namespace mft::kernels::MFT_ISA {
namespace {

using F4 = hn::FixedTag<float, 4>;
using U4 = hn::FixedTag<std::uint32_t, 4>;
constexpr F4 kF4{};

// Four consecutive values as f32.
struct FromF32 {
  using T = float;
  static HWY_INLINE hn::Vec<F4> load4(const T* x) { return hn::LoadU(kF4, x); }
  static HWY_INLINE float load1(const T* x) { return *x; }
};
struct FromBF16 {
  using T = std::uint16_t;
  static HWY_INLINE hn::Vec<F4> load4(const T* x) {
    const hn::FixedTag<std::uint16_t, 4> narrow;
    return hn::BitCast(kF4, hn::ShiftLeft<16>(hn::PromoteTo(U4{}, hn::LoadU(narrow, x))));
  }
  static HWY_INLINE float load1(const T* x) {
    return __builtin_bit_cast(float, static_cast<std::uint32_t>(*x) << 16);
  }
};
struct FromF16 {
  using T = std::uint16_t;
  static HWY_INLINE hn::Vec<F4> load4(const T* x) {
    const hn::FixedTag<std::uint16_t, 4> bits;
#if HWY_TARGET == HWY_SSE4
    // No instruction for it: exponent and mantissa in place, the exponent's bias by a product (which makes
    // subnormals right), then infinity and NaN. Highway's own emulation takes these for numbers.
    const U4 wide;
    const auto h = hn::PromoteTo(wide, hn::LoadU(bits, x));
    const auto magnitude = hn::ShiftLeft<13>(hn::And(h, hn::Set(wide, 0x7FFFu)));
    const auto scaled = hn::Mul(hn::BitCast(kF4, magnitude), hn::Set(kF4, 0x1p112f));
    const auto special = hn::Eq(hn::And(h, hn::Set(wide, 0x7C00u)), hn::Set(wide, 0x7C00u));
    const auto infinite = hn::IfThenElseZero(special, hn::Set(wide, 0x7F800000u));
    const auto sign = hn::ShiftLeft<16>(hn::And(h, hn::Set(wide, 0x8000u)));
    return hn::BitCast(kF4, hn::Or(hn::Or(hn::BitCast(wide, scaled), infinite), sign));
#else
    const hn::FixedTag<hwy::float16_t, 4> narrow;
    return hn::PromoteTo(kF4, hn::BitCast(narrow, hn::LoadU(bits, x)));
#endif
  }
  static HWY_INLINE float load1(const T* x) {
    const T four[4] = {*x, 0, 0, 0};
    return hn::GetLane(load4(four));
  }
};

// Four rows of four values, transposed: values k .. k + 3 of rows r .. r + 3 go to packed[k * strip + r].
template <class From>
MFT_INLINE void transpose4(const typename From::T* source, i64 ld, int strip, float* packed) {
  const auto a = From::load4(source), b = From::load4(source + ld);
  const auto c = From::load4(source + 2 * ld), d = From::load4(source + 3 * ld);
  const auto ac_low = hn::InterleaveLower(kF4, a, c),
             ac_high = hn::InterleaveUpper(kF4, a, c);  // a0 c0 a1 c1
  const auto bd_low = hn::InterleaveLower(kF4, b, d), bd_high = hn::InterleaveUpper(kF4, b, d);
  hn::StoreU(hn::InterleaveLower(kF4, ac_low, bd_low), kF4, packed);  // a0 b0 c0 d0
  hn::StoreU(hn::InterleaveUpper(kF4, ac_low, bd_low), kF4, packed + strip);
  hn::StoreU(hn::InterleaveLower(kF4, ac_high, bd_high), kF4, packed + 2 * strip);
  hn::StoreU(hn::InterleaveUpper(kF4, ac_high, bd_high), kF4, packed + 3 * strip);
}

template <class From>
void pack_rows_from(const typename From::T* source, i64 ld, i64 rows, i64 depth, int strip, float* packed) {
  for (i64 first = 0; first < rows; first += strip, packed += strip * depth) {
    const typename From::T* const top = source + first * ld;
    const i64 here = rows - first < strip ? rows - first : strip;
    const i64 fours = here / 4 * 4;
    // 16 values of a row (one cache line) at a time: rows of a power-of-two distance share few cache sets, so
    // a line must not be needed again later.
    for (i64 k0 = 0; k0 < depth; k0 += 16) {
      const i64 k1 = depth - k0 < 16 ? depth : k0 + 16;
      const i64 k4 = k0 + (k1 - k0) / 4 * 4;
      for (i64 r = 0; r < fours; r += 4) {
        for (i64 k = k0; k < k4; k += 4)
          transpose4<From>(top + r * ld + k, ld, strip, packed + k * strip + r);
        for (i64 k = k4; k < k1; ++k) {
          for (i64 i = r; i < r + 4; ++i) packed[k * strip + i] = From::load1(top + i * ld + k);
        }
      }
      for (i64 k = k0; k < k1; ++k) {
        for (i64 i = fours; i < here; ++i) packed[k * strip + i] = From::load1(top + i * ld + k);
        for (i64 i = here; i < strip; ++i) packed[k * strip + i] = 0.0f;
      }
    }
  }
}

template <class From>
void pack_columns_from(const typename From::T* source, i64 ld, i64 rows, i64 depth, int strip,
                       float* packed) {
  constexpr i64 kAhead = 8;  // rows of the source; the hardware does not see a stride this long coming
  const i64 full = rows / strip;
  for (i64 k = 0; k < depth; ++k) {
    const typename From::T* const from = source + k * ld;
    if (k + kAhead < depth) {
      for (i64 i = 0; i < rows; i += 64 / static_cast<i64>(sizeof(typename From::T))) {
        __builtin_prefetch(from + kAhead * ld + i);
      }
    }
    for (i64 s = 0; s < full; ++s) {
      float* const to = packed + (s * depth + k) * strip;
      for (int i = 0; i < strip; i += 4) hn::StoreU(From::load4(from + s * strip + i), kF4, to + i);
    }
    if (full * strip == rows) continue;
    float* const to = packed + (full * depth + k) * strip;
    for (i64 i = 0; i < strip; ++i)
      to[i] = full * strip + i < rows ? From::load1(from + full * strip + i) : 0.0f;
  }
}

}  // namespace

void pack_rows(const void* source, DType dtype, i64 ld, i64 rows, i64 depth, int strip, float* packed) {
  switch (dtype) {
    case DType::kF32:
      return pack_rows_from<FromF32>(static_cast<const float*>(source), ld, rows, depth, strip, packed);
    case DType::kBF16:
      return pack_rows_from<FromBF16>(static_cast<const std::uint16_t*>(source), ld, rows, depth, strip,
                                      packed);
    case DType::kF16:
      return pack_rows_from<FromF16>(static_cast<const std::uint16_t*>(source), ld, rows, depth, strip,
                                     packed);
  }
}

void pack_columns(const void* source, DType dtype, i64 ld, i64 rows, i64 depth, int strip, float* packed) {
  switch (dtype) {
    case DType::kF32:
      return pack_columns_from<FromF32>(static_cast<const float*>(source), ld, rows, depth, strip, packed);
    case DType::kBF16:
      return pack_columns_from<FromBF16>(static_cast<const std::uint16_t*>(source), ld, rows, depth, strip,
                                         packed);
    case DType::kF16:
      return pack_columns_from<FromF16>(static_cast<const std::uint16_t*>(source), ld, rows, depth, strip,
                                        packed);
  }
}

}  // namespace mft::kernels::MFT_ISA
