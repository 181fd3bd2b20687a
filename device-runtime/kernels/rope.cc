#include "kernels/rope.h"

#include "kernels/check.h"
#include "kernels/math.h"
#include "kernels/parallel.h"
#include "kernels/simd/table.h"

namespace mft::kernels {

void rope_table(i64 T, i64 D, double base, double position_scale, float* table_out) {
  check_that(T >= 0 && D > 0 && D % 2 == 0 && base > 1.0, "kernels.shape", "rope: impossible sizes");
  const i64 half = D / 2;
  for (i64 i = 0; i < half; ++i) {
    const double frequency =
        math::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(D)) * position_scale;
    for (i64 t = 0; t < T; ++t) {
      const double angle = static_cast<double>(t) * frequency;
      table_out[t * D + i] = static_cast<float>(math::cos(angle));
      table_out[t * D + half + i] = static_cast<float>(math::sin(angle));
    }
  }
}

void rope(ThreadPool& pool, i64 N, i64 heads, i64 D, i64 T, const float* angles,
          const std::int32_t* positions, bool inverse, float* x, i64 ld) {
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
