// The storage types as packing sees them, one struct each:
//   words(row, c)                 kWidth words of 32 bits from column c on, for a transposing pack; each
//                                 holds kPerWord values
//   value<P>(words, scales)       value P of each word
//   scales(top, stride, c)        of kWidth rows, for the block of column c
//   vector(row, c)                kWidth values from column c on; in block types c is a multiple of kWidth
//   value_at(row, c)              one value
//   offset(c)                     bytes from the start of the row to column c
// In block types kWordsPerScale words share a scale, and a transposing pack starts at a block.
#pragma once

#include "kernels/simd/lanes.h"

namespace mft::kernels::MFT_ISA {

using U = hn::FixedTag<std::uint32_t, kWidth>;
using H = hn::FixedTag<std::uint16_t, kWidth>;
using Word = hn::Vec<U>;
constexpr U kU{};
constexpr H kH{};

MFT_INLINE V halves(hn::Vec<H> bits) {
#if HWY_TARGET == HWY_SSE4
  // No instruction for it: exponent and mantissa in place, the exponent's bias by a product (which makes
  // subnormals right), then infinity and NaN. Highway's own emulation takes these for numbers.
  const auto h = hn::PromoteTo(kU, bits);
  const auto magnitude = hn::ShiftLeft<13>(hn::And(h, hn::Set(kU, 0x7FFFu)));
  const auto scaled = hn::Mul(hn::BitCast(kF, magnitude), hn::Set(kF, 0x1p112f));
  const auto special = hn::Eq(hn::And(h, hn::Set(kU, 0x7C00u)), hn::Set(kU, 0x7C00u));
  const auto infinite = hn::IfThenElseZero(special, hn::Set(kU, 0x7F800000u));
  const auto sign = hn::ShiftLeft<16>(hn::And(h, hn::Set(kU, 0x8000u)));
  return hn::BitCast(kF, hn::Or(hn::Or(hn::BitCast(kU, scaled), infinite), sign));
#else
  const hn::FixedTag<hwy::float16_t, kWidth> narrow;
  return hn::PromoteTo(kF, hn::BitCast(narrow, bits));
#endif
}

template <class T>
MFT_INLINE T read(const std::byte* at) {
  T value;
  __builtin_memcpy(&value, at, sizeof(value));
  return value;
}

struct NoScales {};

struct StoredF32 {
  static constexpr int kPerWord = 1, kWordsPerScale = kWidth;
  static constexpr bool kBlocks = false;
  using Scales = NoScales;
  static constexpr i64 offset(i64 c) { return 4 * c; }
  static HWY_INLINE Word words(const std::byte* row, i64 c) {
    return hn::LoadU(kU, reinterpret_cast<const std::uint32_t*>(row) + c);
  }
  static HWY_INLINE Scales scales(const std::byte*, i64, i64) { return {}; }
  template <int P>
  static HWY_INLINE V value(Word word, Scales) {
    return hn::BitCast(kF, word);
  }
  static HWY_INLINE V vector(const std::byte* row, i64 c) {
    return hn::LoadU(kF, reinterpret_cast<const float*>(row) + c);
  }
  static HWY_INLINE float value_at(const std::byte* row, i64 c) { return read<float>(row + 4 * c); }
};

struct StoredBF16 {
  static constexpr int kPerWord = 2, kWordsPerScale = kWidth;
  static constexpr bool kBlocks = false;
  using Scales = NoScales;
  static constexpr i64 offset(i64 c) { return 2 * c; }
  static HWY_INLINE Word words(const std::byte* row, i64 c) {
    return hn::LoadU(kU, reinterpret_cast<const std::uint32_t*>(row + 2 * c));
  }
  static HWY_INLINE Scales scales(const std::byte*, i64, i64) { return {}; }
  template <int P>
  static HWY_INLINE V value(Word word, Scales) {
    if constexpr (P == 0) return hn::BitCast(kF, hn::ShiftLeft<16>(word));
    return hn::BitCast(kF, hn::And(word, hn::Set(kU, 0xFFFF0000u)));
  }
  static HWY_INLINE V vector(const std::byte* row, i64 c) {
    const auto bits = hn::LoadU(kH, reinterpret_cast<const std::uint16_t*>(row) + c);
    return hn::BitCast(kF, hn::ShiftLeft<16>(hn::PromoteTo(kU, bits)));
  }
  static HWY_INLINE float value_at(const std::byte* row, i64 c) {
    return __builtin_bit_cast(float, static_cast<std::uint32_t>(read<std::uint16_t>(row + 2 * c)) << 16);
  }
};

struct StoredF16 {
  static constexpr int kPerWord = 1, kWordsPerScale = kWidth;
  static constexpr bool kBlocks = false;
  using Scales = NoScales;
  static constexpr i64 offset(i64 c) { return 2 * c; }
  static HWY_INLINE V vector(const std::byte* row, i64 c) {
    return halves(hn::LoadU(kH, reinterpret_cast<const std::uint16_t*>(row) + c));
  }
  static HWY_INLINE Word words(const std::byte* row, i64 c) { return hn::BitCast(kU, vector(row, c)); }
  static HWY_INLINE Scales scales(const std::byte*, i64, i64) { return {}; }
  template <int P>
  static HWY_INLINE V value(Word word, Scales) {
    return hn::BitCast(kF, word);
  }
  static HWY_INLINE float value_at(const std::byte* row, i64 c) {
    return hn::GetLane(halves(hn::Set(kH, read<std::uint16_t>(row + 2 * c))));
  }
};

// What both block types share. kBytes: of a block's values.
template <int kBytes>
struct StoredBlocks {
  static constexpr int kPerWord = kBytes == 32 ? 4 : 8, kWordsPerScale = kBytes / 4;
  static constexpr bool kBlocks = true;
  using Scales = V;
  i64 scales_at;  // bytes from the start of a row to its scales

  explicit constexpr StoredBlocks(i64 columns)
      : scales_at((columns + kBlockValues - 1) / kBlockValues * kBytes) {}
  static constexpr i64 offset(i64 c) { return c * kBytes / kBlockValues; }
  HWY_INLINE std::uint16_t scale_bits(const std::byte* row, i64 c) const {
    return read<std::uint16_t>(row + scales_at + c / kBlockValues * 2);
  }
  HWY_INLINE V scales(const std::byte* top, i64 stride, i64 c) const {
    alignas(64) std::uint16_t bits[kWidth];
    MFT_UNROLL for (int r = 0; r < kWidth; ++r) bits[r] = scale_bits(top + r * stride, c);
    return halves(hn::Load(kH, bits));
  }
  HWY_INLINE V scale(const std::byte* row, i64 c) const { return halves(hn::Set(kH, scale_bits(row, c))); }
};

struct StoredI8 : StoredBlocks<32> {
  using StoredBlocks::StoredBlocks;
  static HWY_INLINE Word words(const std::byte* row, i64 c) {
    return hn::LoadU(kU, reinterpret_cast<const std::uint32_t*>(row + c));
  }
  template <int P>
  static HWY_INLINE V value(Word word, V scales) {
    const auto q = hn::ShiftRight<24>(hn::BitCast(kI, hn::ShiftLeft<24 - 8 * P>(word)));
    return hn::Mul(hn::ConvertTo(kF, q), scales);
  }
  HWY_INLINE V vector(const std::byte* row, i64 c) const {
    const hn::FixedTag<std::int8_t, kWidth> narrow;
    const auto q = hn::PromoteTo(kI, hn::LoadU(narrow, reinterpret_cast<const std::int8_t*>(row) + c));
    return hn::Mul(hn::ConvertTo(kF, q), scale(row, c));
  }
  HWY_INLINE float value_at(const std::byte* row, i64 c) const {
    return static_cast<float>(read<std::int8_t>(row + c)) * hn::GetLane(scale(row, c));
  }
};

struct StoredI4 : StoredBlocks<16> {
  using StoredBlocks::StoredBlocks;
  // The nibbles hold q + 8; flipping the highest bit makes q in two's complement of it.
  static HWY_INLINE Word words(const std::byte* row, i64 c) {
    const Word word = hn::LoadU(kU, reinterpret_cast<const std::uint32_t*>(row + c / 2));
    return hn::Xor(word, hn::Set(kU, 0x88888888u));
  }
  template <int P>
  static HWY_INLINE V value(Word word, V scales) {
    const auto q = hn::ShiftRight<28>(hn::BitCast(kI, hn::ShiftLeft<28 - 4 * P>(word)));
    return hn::Mul(hn::ConvertTo(kF, q), scales);
  }
  HWY_INLINE V vector(const std::byte* row, i64 c) const {
    const hn::FixedTag<std::uint8_t, kWidth / 2> pairs;
    const hn::FixedTag<std::uint16_t, kWidth / 2> spread;
    const hn::FixedTag<std::uint8_t, kWidth> nibbles;
    const auto bytes = hn::LoadU(pairs, reinterpret_cast<const std::uint8_t*>(row) + c / 2);
    const auto pair = hn::PromoteTo(spread, bytes);
    const auto apart = hn::And(hn::Or(pair, hn::ShiftLeft<4>(pair)), hn::Set(spread, std::uint16_t{0x0F0F}));
    const auto q = hn::Sub(hn::PromoteTo(kI, hn::BitCast(nibbles, apart)), hn::Set(kI, 8));
    return hn::Mul(hn::ConvertTo(kF, q), scale(row, c));
  }
  HWY_INLINE float value_at(const std::byte* row, i64 c) const {
    const int pair = read<std::uint8_t>(row + c / 2);
    return static_cast<float>((c % 2 == 0 ? pair & 15 : pair >> 4) - 8) * hn::GetLane(scale(row, c));
  }
};

}  // namespace mft::kernels::MFT_ISA
