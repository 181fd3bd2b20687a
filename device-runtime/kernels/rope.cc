#include "kernels/rope.h"

#include "base/profile.h"
#include "kernels/check.h"
#include "kernels/math.h"
#include "kernels/parallel.h"
#include "kernels/simd/table.h"

namespace mft::kernels {

namespace {

constexpr double kTwoPi = 6.283185307179586476925;

double frequency_of(const RopeFrequencies& f, i64 i, i64 D) {
  const double plain = math::pow(f.base, -2.0 * static_cast<double>(i) / static_cast<double>(D));
  if (f.scaling == RopeFrequencies::Scaling::kNone) return plain;
  if (f.scaling == RopeFrequencies::Scaling::kLinear) return plain / f.factor;
  const double turns = f.original_positions * plain / kTwoPi;  // original_positions / wavelength
  if (turns < f.low_factor) return plain / f.factor;
  if (turns > f.high_factor) return plain;
  const double kept = (turns - f.low_factor) / (f.high_factor - f.low_factor);
  return (1.0 - kept) * plain / f.factor + kept * plain;
}

}  // namespace

void rope_table(i64 T, i64 D, const RopeFrequencies& frequencies, float* table_out) {
  check_that(T >= 0 && T <= 1'000'000 && D > 0 && D % 2 == 0 && frequencies.base > 1.0 &&
                 frequencies.factor >= 1.0,
             "kernels.shape", "rope: impossible sizes");
  const i64 half = D / 2;
  for (i64 i = 0; i < half; ++i) {
    const double frequency = frequency_of(frequencies, i, D);
    for (i64 t = 0; t < T; ++t) {
      const double angle = static_cast<double>(t) * frequency;
      table_out[t * D + i] = static_cast<float>(math::cos(angle));
      table_out[t * D + half + i] = static_cast<float>(math::sin(angle));
    }
  }
}

void rope(ThreadPool& pool, i64 N, i64 heads, i64 D, i64 T, const float* angles,
          const std::int32_t* positions, bool inverse, float* x, i64 ld) {
  const profile::Timer timer(profile::Op::kRope);
  check_that(N >= 0 && heads > 0 && D > 0 && D % 2 == 0 && T > 0 && ld >= heads * D, "kernels.shape",
             "rope: impossible sizes");
  for (i64 n = 0; positions != nullptr && n < N; ++n) {
    check_that(positions[n] >= 0 && positions[n] < T, "kernels.id", "rope: a position is outside the table");
  }
  for_rows(pool, N, heads * D, [&, &isa = table()](i64 begin, i64 end) {
    for (i64 n = begin; n < end; ++n) {
      isa.rope(heads, D, angles + (positions != nullptr ? positions[n] : n % T) * D, inverse, x + n * ld);
    }
  });
}

}  // namespace mft::kernels
