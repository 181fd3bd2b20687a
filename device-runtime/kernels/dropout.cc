#include "kernels/dropout.h"

#include "base/profile.h"
#include "kernels/check.h"
#include "kernels/parallel.h"
#include "kernels/simd/table.h"

namespace mft::kernels {

void dropout(ThreadPool& pool, i64 n, const float* x, float* y, const DropoutSite& site) {
  const profile::Timer timer(profile::Op::kElementwise);
  check_dropout(site);
  check_that(n >= 0 && n < (i64{1} << 34), "kernels.shape", "dropout: more elements than it can number");
  if (site.probability == 0.0f) {
    if (x != y) for_stretches(pool, n, [&](i64 i, i64 count) { std::copy_n(x + i, count, y + i); });
    return;
  }
  for_stretches(pool, n,
                [&, &isa = table()](i64 i, i64 count) { isa.dropout(site, i, count, x + i, y + i); });
}

void philox(const DropoutSite& site, std::uint64_t block, std::uint32_t out[4]) {
  std::uint32_t c[4] = {static_cast<std::uint32_t>(block), site.step, site.micro_batch,
                        (site.layer << 8) | (site.site & 0xFF)};
  std::uint32_t k0 = static_cast<std::uint32_t>(site.seed), k1 = static_cast<std::uint32_t>(site.seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c[0], p1 = std::uint64_t{0xCD9E8D57} * c[2];
    c[0] = static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ k0;
    c[1] = static_cast<std::uint32_t>(p1);
    c[2] = static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ k1;
    c[3] = static_cast<std::uint32_t>(p0);
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  std::copy_n(c, 4, out);
}

}  // namespace mft::kernels
