// SHA-256 by the processor's own instructions: Intel SHA extensions (also AMD since Zen), ARMv8 cryptography
// extension.
#include "base/sha256_blocks.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#include <sys/auxv.h>
#endif

namespace mft::sha256_internal {

#if defined(__x86_64__)
namespace {

// The instructions keep the state as ABEF and CDGH and do two rounds at a time (Intel SHA Extensions, 2013).
__attribute__((target("sha,ssse3,sse4.1"))) void compress_sha_ni(std::uint32_t state[8],
                                                                 const std::uint8_t* data,
                                                                 std::size_t blocks) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
  const __m128i dcba = _mm_loadu_si128(reinterpret_cast<const __m128i*>(state));
  const __m128i hgfe = _mm_loadu_si128(reinterpret_cast<const __m128i*>(state + 4));
  const __m128i cdab = _mm_shuffle_epi32(dcba, 0xB1);
  const __m128i efgh = _mm_shuffle_epi32(hgfe, 0x1B);
  __m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
  __m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xF0);

  for (; blocks > 0; --blocks, data += 64) {
    const __m128i abef_before = abef;
    const __m128i cdgh_before = cdgh;
    __m128i w[4];  // the sixteen newest words of the message schedule, four to a vector
    for (int i = 0; i < 16; ++i) {
      __m128i words;
      if (i < 4) {
        words =
            _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(data + 16 * i)), big_endian);
      } else {
        // W[t] = s1(W[t-2]) + W[t-7] + s0(W[t-15]) + W[t-16], for four t.
        const __m128i w16 = w[i & 3], w12 = w[(i + 1) & 3], w8 = w[(i + 2) & 3], w4 = w[(i + 3) & 3];
        const __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w16, w12), _mm_alignr_epi8(w4, w8, 4));
        words = _mm_sha256msg2_epu32(sum, w4);
      }
      w[i & 3] = words;
      const __m128i k = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kRound.data() + 4 * i));
      const __m128i wk = _mm_add_epi32(words, k);
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, wk);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(wk, 0x0E));
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }

  const __m128i feba = _mm_shuffle_epi32(abef, 0x1B);
  const __m128i dchg = _mm_shuffle_epi32(cdgh, 0xB1);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state), _mm_blend_epi16(feba, dchg, 0xF0));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

}  // namespace

Compress hardware_compress() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return nullptr;
  return (b & (1u << 29)) != 0 ? compress_sha_ni : nullptr;  // CPUID.7.0:EBX.SHA
}

#elif defined(__aarch64__)
namespace {

__attribute__((target("+crypto"))) void compress_armv8(std::uint32_t state[8], const std::uint8_t* data,
                                                       std::size_t blocks) {
  uint32x4_t abcd = vld1q_u32(state);
  uint32x4_t efgh = vld1q_u32(state + 4);
  for (; blocks > 0; --blocks, data += 64) {
    const uint32x4_t abcd_before = abcd;
    const uint32x4_t efgh_before = efgh;
    uint32x4_t w[4];  // the sixteen newest words of the message schedule, four to a vector
    for (int i = 0; i < 16; ++i) {
      uint32x4_t words;
      if (i < 4) {
        words = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(data + 16 * i)));
      } else {
        const uint32x4_t w16 = w[i & 3], w12 = w[(i + 1) & 3], w8 = w[(i + 2) & 3], w4 = w[(i + 3) & 3];
        words = vsha256su1q_u32(vsha256su0q_u32(w16, w12), w8, w4);
      }
      w[i & 3] = words;
      const uint32x4_t wk = vaddq_u32(words, vld1q_u32(kRound.data() + 4 * i));
      const uint32x4_t abcd_now = abcd;
      abcd = vsha256hq_u32(abcd, efgh, wk);
      efgh = vsha256h2q_u32(efgh, abcd_now, wk);
    }
    abcd = vaddq_u32(abcd, abcd_before);
    efgh = vaddq_u32(efgh, efgh_before);
  }
  vst1q_u32(state, abcd);
  vst1q_u32(state + 4, efgh);
}

constexpr unsigned long kHwcapSha2 = 1ul << 6;  // HWCAP_SHA2 of the kernel's asm/hwcap.h

}  // namespace

Compress hardware_compress() { return (::getauxval(AT_HWCAP) & kHwcapSha2) != 0 ? compress_armv8 : nullptr; }

#else

Compress hardware_compress() { return nullptr; }

#endif

}  // namespace mft::sha256_internal
