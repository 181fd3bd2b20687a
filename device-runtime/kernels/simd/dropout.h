// Dropout factors of 16 elements and more at a time. Integer arithmetic: plain loops, the compiler makes vectors of them.
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

  // factors[i] of element first + i is 0 or 1 / (1 - p), for 64 elements; first is a multiple of 4.
  void sixty_four(i64 first, float* factors) const {
    constexpr int kBlocks = 16;  // of four words each
    std::uint32_t c0[kBlocks], c1[kBlocks], c2[kBlocks], c3[kBlocks];
    const std::uint32_t block = static_cast<std::uint32_t>(first >> 2);
    for (int i = 0; i < kBlocks; ++i) {
      c0[i] = block + static_cast<std::uint32_t>(i);
      c1[i] = site_.step;
      c2[i] = site_.micro_batch;
      c3[i] = (site_.layer << 8) | (site_.site & 0xFF);
    }
    std::uint32_t k0 = static_cast<std::uint32_t>(site_.seed), k1 = static_cast<std::uint32_t>(site_.seed >> 32);
    for (int round = 0; round < 10; ++round) {  // Philox4x32-10
      for (int i = 0; i < kBlocks; ++i) {
        const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c0[i], p1 = std::uint64_t{0xCD9E8D57} * c2[i];
        c0[i] = static_cast<std::uint32_t>(p1 >> 32) ^ c1[i] ^ k0;
        c1[i] = static_cast<std::uint32_t>(p1);
        c2[i] = static_cast<std::uint32_t>(p0 >> 32) ^ c3[i] ^ k1;
        c3[i] = static_cast<std::uint32_t>(p0);
      }
      k0 += 0x9E3779B9;
      k1 += 0xBB67AE85;
    }
    for (int i = 0; i < kBlocks; ++i) {
      factors[4 * i] = c0[i] < threshold_ ? 0.0f : factor_;
      factors[4 * i + 1] = c1[i] < threshold_ ? 0.0f : factor_;
      factors[4 * i + 2] = c2[i] < threshold_ ? 0.0f : factor_;
      factors[4 * i + 3] = c3[i] < threshold_ ? 0.0f : factor_;
    }
  }

 private:
  DropoutSite site_;
  std::uint32_t threshold_;
  float factor_;
};

}  // namespace mft::kernels::MFT_ISA
