// Dropout factors, 64 elements at a time: Philox4x32-10 with one counter in each 64-bit lane.
#pragma once

#include "kernels/dropout.h"
#include "kernels/simd/lanes.h"

namespace mft::kernels::MFT_ISA {

class DropoutFactors {
 public:
  explicit DropoutFactors(const DropoutSite& site)
      : site_(site),
        threshold_(static_cast<std::uint32_t>(static_cast<double>(site.probability) * 4294967296.0)),
        factor_(1.0f / (1.0f - site.probability)) {}

  bool active() const { return site_.probability > 0.0f; }

  // factors[i] of element first + i is 0 or 1 / (1 - p), i < 64; first is a multiple of 4.
  void sixty_four(i64 first, float* factors) const {
    const std::uint32_t block = static_cast<std::uint32_t>(first >> 2);
    for (int i = 0; i < 64; i += 2 * kWidth)
      two_vectors(block + static_cast<std::uint32_t>(i / 4), factors + i);
  }

 private:
  using U32 = hn::FixedTag<std::uint32_t, kWidth>;
  using U64 = hn::FixedTag<std::uint64_t, kWidth / 2>;
  using Word = hn::Vec<U64>;  // a 32-bit word in the lower half of each lane; the upper half does not count

  static HWY_INLINE Word times(const Word& a, std::uint32_t b) {
    const U32 narrow;
    return hn::MulEven(hn::BitCast(narrow, a), hn::Set(narrow, b));
  }

  // Lane 2 j has counter `block` + j and lane 2 j + 1 counter `block` + kWidth / 4 + j: the interleaving at
  // the end then puts all words in order.
  static HWY_INLINE Word counters(std::uint32_t block) {
    alignas(64) std::uint64_t lanes[kWidth / 2];
    for (int j = 0; j < kWidth / 4; ++j) {
      lanes[2 * j] = block + static_cast<std::uint32_t>(j);
      lanes[2 * j + 1] = block + static_cast<std::uint32_t>(kWidth / 4 + j);
    }
    return hn::Load(U64{}, lanes);
  }

  void two_vectors(std::uint32_t block, float* factors) const {
    const U64 wide;
    const U32 narrow;
    Word c0 = counters(block), c1 = hn::Set(wide, site_.step), c2 = hn::Set(wide, site_.micro_batch);
    Word c3 = hn::Set(wide, (site_.layer << 8) | (site_.site & 0xFF));
    std::uint32_t k0 = static_cast<std::uint32_t>(site_.seed),
                  k1 = static_cast<std::uint32_t>(site_.seed >> 32);
    MFT_UNROLL for (int round = 0; round < 10; ++round) {
      const Word p0 = times(c0, 0xD2511F53), p1 = times(c2, 0xCD9E8D57);
      c0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(p1), c1), hn::Set(wide, k0));
      c2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(p0), c3), hn::Set(wide, k1));
      c1 = p1;
      c3 = p0;
      k0 += 0x9E3779B9;
      k1 += 0xBB67AE85;
    }
    const Word low = hn::Set(wide, 0xFFFFFFFFu);
    const Word c01 = hn::Or(hn::And(c0, low), hn::ShiftLeft<32>(c1));
    const Word c23 = hn::Or(hn::And(c2, low), hn::ShiftLeft<32>(c3));
    hn::StoreU(keep(hn::BitCast(narrow, hn::InterleaveLower(wide, c01, c23))), kF, factors);
    hn::StoreU(keep(hn::BitCast(narrow, hn::InterleaveUpper(wide, c01, c23))), kF, factors + kWidth);
  }

  HWY_INLINE V keep(const hn::Vec<U32>& words) const {
    const auto dropped = hn::Lt(words, hn::Set(U32{}, threshold_));
    return hn::IfThenZeroElse(hn::RebindMask(kF, dropped), hn::Set(kF, factor_));
  }

  DropoutSite site_;
  std::uint32_t threshold_;
  float factor_;
};

}  // namespace mft::kernels::MFT_ISA
