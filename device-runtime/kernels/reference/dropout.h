// Dropout masks one element at a time: the oracle of kernels/dropout.h. Philox4x32-10 as in Salmon et al.,
// "Parallel random numbers: as easy as 1, 2, 3" (SC'11), figure 4 and its constants.
#pragma once

#include "kernels/dropout.h"

namespace mft::kernels::reference {

inline void philox(const std::uint32_t key[2], const std::uint32_t counter[4], std::uint32_t out[4]) {
  std::uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]};
  std::uint32_t k[2] = {key[0], key[1]};
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * c[2];
    const std::uint32_t next[4] = {
        static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ k[0], static_cast<std::uint32_t>(p1),
        static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ k[1], static_cast<std::uint32_t>(p0)};
    for (int i = 0; i < 4; ++i) c[i] = next[i];
    k[0] += 0x9E3779B9;
    k[1] += 0xBB67AE85;
  }
  for (int i = 0; i < 4; ++i) out[i] = c[i];
}

// The random word of one element of a site.
inline std::uint32_t random_word(const DropoutSite& s, i64 element) {
  const std::uint32_t key[2] = {static_cast<std::uint32_t>(s.seed), static_cast<std::uint32_t>(s.seed >> 32)};
  const std::uint32_t counter[4] = {static_cast<std::uint32_t>(element >> 2), s.step, s.micro_batch,
                                    (s.layer << 8) | (s.site & 0xFF)};
  std::uint32_t out[4];
  philox(key, counter, out);
  return out[element & 3];
}

// An element is dropped if its word is below this.
inline std::uint32_t dropout_threshold(float probability) {
  return static_cast<std::uint32_t>(static_cast<double>(probability) * 4294967296.0);
}

// 0, or 1 / (1 - p).
inline double keep_factor(const DropoutSite& s, i64 element) {
  if (s.probability <= 0) return 1;
  if (random_word(s, element) < dropout_threshold(s.probability)) return 0;
  return static_cast<double>(1.0f / (1.0f - s.probability));
}

}  // namespace mft::kernels::reference
