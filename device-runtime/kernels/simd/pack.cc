// Packing: source matrices of any storage type and orientation become strips of f32 (layout in table.h).
#include "kernels/simd/gemm_block.h"

namespace mft::kernels::MFT_ISA {
namespace {

using F4 = hn::FixedTag<float, 4>;
using U4 = hn::FixedTag<std::uint32_t, 4>;
constexpr F4 kF4{};

// Where the rows of a stored matrix lie.
struct Rows {
  const std::byte* data;
  i64 stride, columns;  // bytes from row to row; values in a row
  explicit Rows(const Weights& w)
      : data(static_cast<const std::byte*>(w.data)), stride(row_bytes(w.dtype, w.columns)), columns(w.columns) {}
};

// Four consecutive values of a row, or one, as f32. `at` is a row, c the column; four columns start at a multiple of
// 4 in the block types.
template <class T>
MFT_INLINE const T* element(const std::byte* at, i64 c) {
  return reinterpret_cast<const T*>(at) + c;
}
struct FromF32 {
  static constexpr i64 kLine = 16;  // values in a cache line
  static HWY_INLINE hn::Vec<F4> load4(const Rows&, const std::byte* at, i64 c) {
    return hn::LoadU(kF4, element<float>(at, c));
  }
  static HWY_INLINE float load1(const Rows&, const std::byte* at, i64 c) { return *element<float>(at, c); }
};
struct FromBF16 {
  static constexpr i64 kLine = 32;
  static HWY_INLINE hn::Vec<F4> load4(const Rows&, const std::byte* at, i64 c) {
    const hn::FixedTag<std::uint16_t, 4> narrow;
    const auto bits = hn::LoadU(narrow, element<std::uint16_t>(at, c));
    return hn::BitCast(kF4, hn::ShiftLeft<16>(hn::PromoteTo(U4{}, bits)));
  }
  static HWY_INLINE float load1(const Rows&, const std::byte* at, i64 c) {
    return __builtin_bit_cast(float, static_cast<std::uint32_t>(*element<std::uint16_t>(at, c)) << 16);
  }
};
MFT_INLINE hn::Vec<F4> four_halves(const std::uint16_t* x) {
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
MFT_INLINE float one_half(const std::uint16_t* x) {
  const std::uint16_t four[4] = {*x, 0, 0, 0};
  return hn::GetLane(four_halves(four));
}
struct FromF16 {
  static constexpr i64 kLine = 32;
  static HWY_INLINE hn::Vec<F4> load4(const Rows&, const std::byte* at, i64 c) {
    return four_halves(element<std::uint16_t>(at, c));
  }
  static HWY_INLINE float load1(const Rows&, const std::byte* at, i64 c) {
    return one_half(element<std::uint16_t>(at, c));
  }
};
// The scale of column c's block; the blocks of a row are `bytes` long each.
MFT_INLINE float block_scale(const Rows& rows, const std::byte* at, i64 c, i64 bytes) {
  const i64 blocks = (rows.columns + kBlockValues - 1) / kBlockValues;
  return one_half(element<std::uint16_t>(at + blocks * bytes, c / kBlockValues));
}
struct FromI8Block {
  static constexpr i64 kLine = 64;
  static HWY_INLINE hn::Vec<F4> load4(const Rows& rows, const std::byte* at, i64 c) {
    const hn::FixedTag<std::int8_t, 4> narrow;
    const hn::FixedTag<std::int32_t, 4> wide;
    const auto q = hn::PromoteTo(wide, hn::LoadU(narrow, element<std::int8_t>(at, c)));
    return hn::Mul(hn::ConvertTo(kF4, q), hn::Set(kF4, block_scale(rows, at, c, 32)));
  }
  static HWY_INLINE float load1(const Rows& rows, const std::byte* at, i64 c) {
    return static_cast<float>(*element<std::int8_t>(at, c)) * block_scale(rows, at, c, 32);
  }
};
struct FromI4Block {
  static constexpr i64 kLine = 128;
  static HWY_INLINE float load1(const Rows& rows, const std::byte* at, i64 c) {
    const int pair = *element<std::uint8_t>(at, c / 2);
    return static_cast<float>((c % 2 == 0 ? pair & 15 : pair >> 4) - 8) * block_scale(rows, at, c, 16);
  }
  static HWY_INLINE hn::Vec<F4> load4(const Rows& rows, const std::byte* at, i64 c) {
    const float four[4] = {load1(rows, at, c), load1(rows, at, c + 1), load1(rows, at, c + 2),
                           load1(rows, at, c + 3)};
    return hn::LoadU(kF4, four);
  }
};

// Four rows of four values, transposed: values k .. k + 3 of rows r .. r + 3 go to packed[k * strip + r].
template <class From>
MFT_INLINE void transpose4(const Rows& rows, const std::byte* at, i64 c, int strip, float* packed) {
  const auto x = From::load4(rows, at, c), y = From::load4(rows, at + rows.stride, c);
  const auto z = From::load4(rows, at + 2 * rows.stride, c), w = From::load4(rows, at + 3 * rows.stride, c);
  const auto xz_low = hn::InterleaveLower(kF4, x, z), xz_high = hn::InterleaveUpper(kF4, x, z);  // x0 z0 x1 z1
  const auto yw_low = hn::InterleaveLower(kF4, y, w), yw_high = hn::InterleaveUpper(kF4, y, w);
  hn::StoreU(hn::InterleaveLower(kF4, xz_low, yw_low), kF4, packed);  // x0 y0 z0 w0
  hn::StoreU(hn::InterleaveUpper(kF4, xz_low, yw_low), kF4, packed + strip);
  hn::StoreU(hn::InterleaveLower(kF4, xz_high, yw_high), kF4, packed + 2 * strip);
  hn::StoreU(hn::InterleaveUpper(kF4, xz_high, yw_high), kF4, packed + 3 * strip);
}

template <class From>
void pack_rows_from(const Rows& source, i64 column, i64 rows, i64 depth, int strip, float* packed) {
  for (i64 first = 0; first < rows; first += strip, packed += strip * depth) {
    const std::byte* const top = source.data + first * source.stride;
    const i64 here = rows - first < strip ? rows - first : strip;
    const i64 fours = here / 4 * 4;
    // 16 values of a row (one cache line) at a time: rows of a power-of-two distance share few cache sets, so
    // a line must not be needed again later.
    for (i64 k0 = 0; k0 < depth; k0 += 16) {
      const i64 k1 = depth - k0 < 16 ? depth : k0 + 16;
      const i64 k4 = k0 + (k1 - k0) / 4 * 4;
      for (i64 r = 0; r < fours; r += 4) {
        const std::byte* const at = top + r * source.stride;
        for (i64 k = k0; k < k4; k += 4) transpose4<From>(source, at, column + k, strip, packed + k * strip + r);
        for (i64 k = k4; k < k1; ++k) {
          for (i64 i = 0; i < 4; ++i) {
            packed[k * strip + r + i] = From::load1(source, at + i * source.stride, column + k);
          }
        }
      }
      for (i64 k = k0; k < k1; ++k) {
        for (i64 i = fours; i < here; ++i) {
          packed[k * strip + i] = From::load1(source, top + i * source.stride, column + k);
        }
        for (i64 i = here; i < strip; ++i) packed[k * strip + i] = 0.0f;
      }
    }
  }
}

template <class From>
void pack_columns_from(const Rows& source, i64 column, i64 rows, i64 depth, int strip, float* packed) {
  constexpr i64 kAhead = 8;  // rows of the source; the hardware does not see a stride this long coming
  const i64 full = rows / strip;
  for (i64 k = 0; k < depth; ++k) {
    const std::byte* const at = source.data + k * source.stride;
    if (k + kAhead < depth) {
      const i64 bytes = rows * 64 / From::kLine;
      const std::byte* const ahead = at + kAhead * source.stride + column * 64 / From::kLine;
      for (i64 i = 0; i < bytes; i += 64) __builtin_prefetch(ahead + i);
    }
    for (i64 s = 0; s < full; ++s) {
      float* const to = packed + (s * depth + k) * strip;
      for (int i = 0; i < strip; i += 4) {
        hn::StoreU(From::load4(source, at, column + s * strip + i), kF4, to + i);
      }
    }
    if (full * strip == rows) continue;
    float* const to = packed + (full * depth + k) * strip;
    for (i64 i = 0; i < strip; ++i) {
      to[i] = full * strip + i < rows ? From::load1(source, at, column + full * strip + i) : 0.0f;
    }
  }
}

}  // namespace

void pack_rows(const Weights& source, i64 column, i64 rows, i64 depth, int strip, void* packed) {
  const Rows from(source);
  float* const to = static_cast<float*>(packed);
  switch (source.dtype) {
    case DType::kF32:
      return pack_rows_from<FromF32>(from, column, rows, depth, strip, to);
    case DType::kBF16:
      return pack_rows_from<FromBF16>(from, column, rows, depth, strip, to);
    case DType::kF16:
      return pack_rows_from<FromF16>(from, column, rows, depth, strip, to);
    case DType::kI8Block32:
      return pack_rows_from<FromI8Block>(from, column, rows, depth, strip, to);
    case DType::kI4Block32:
      return pack_rows_from<FromI4Block>(from, column, rows, depth, strip, to);
  }
}

void pack_columns(const Weights& source, i64 column, i64 rows, i64 depth, int strip, void* packed) {
  const Rows from(source);
  float* const to = static_cast<float*>(packed);
  switch (source.dtype) {
    case DType::kF32:
      return pack_columns_from<FromF32>(from, column, rows, depth, strip, to);
    case DType::kBF16:
      return pack_columns_from<FromBF16>(from, column, rows, depth, strip, to);
    case DType::kF16:
      return pack_columns_from<FromF16>(from, column, rows, depth, strip, to);
    case DType::kI8Block32:
      return pack_columns_from<FromI8Block>(from, column, rows, depth, strip, to);
    case DType::kI4Block32:
      return pack_columns_from<FromI4Block>(from, column, rows, depth, strip, to);
  }
}

}  // namespace mft::kernels::MFT_ISA
