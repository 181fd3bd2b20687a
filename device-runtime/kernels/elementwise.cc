#include "kernels/elementwise.h"

#include <array>

#include "base/profile.h"
#include "kernels/check.h"
#include "kernels/parallel.h"
#include "kernels/simd/table.h"

namespace mft::kernels {

void add(ThreadPool& pool, i64 n, const float* a, const float* b, float* y) {
  const profile::Timer timer(profile::Op::kElementwise);
  for_stretches(pool, n, [&, &isa = table()](i64 i, i64 count) { isa.add(count, a + i, b + i, y + i); });
}

void scale(ThreadPool& pool, i64 n, float s, const float* x, float* y) {
  const profile::Timer timer(profile::Op::kElementwise);
  for_stretches(pool, n, [&, &isa = table()](i64 i, i64 count) { isa.scale(count, s, x + i, y + i); });
}

void fill(ThreadPool& pool, i64 n, float value, float* x) {
  const profile::Timer timer(profile::Op::kElementwise);
  for_stretches(pool, n, [&](i64 i, i64 count) { std::fill_n(x + i, count, value); });
}

void convert(ThreadPool& pool, i64 rows, Weights x, float* y) {
  check_that(rows >= 0 && x.columns > 0, "kernels.shape", "convert: impossible sizes");
  const profile::Timer timer(profile::Op::kElementwise);
  for_rows(pool, rows, x.columns, [&, &isa = table()](i64 begin, i64 end) {
    for (i64 r = begin; r < end; ++r) isa.convert(x.row(r), false, y + r * x.columns);
  });
}

void bias_gradient(ThreadPool& pool, i64 N, i64 C, const float* dy, i64 ld, float* d_bias) {
  const profile::Timer timer(profile::Op::kElementwise);
  check_that(N >= 0 && C > 0 && ld >= C, "kernels.shape", "bias_gradient: impossible sizes");
  for_columns(pool, C, [&, &isa = table()](i64 begin, i64 end) {
    isa.column_sums(N, end - begin, dy + begin, ld, d_bias + begin);
  });
}

double sum_of_squares(ThreadPool& pool, i64 n, const float* x) {
  constexpr i64 kParts = 1024;
  constexpr i64 kUnit = 65536;
  const i64 tile = std::max<i64>(1, (n + kParts * kUnit - 1) / (kParts * kUnit)) * kUnit;
  std::array<double, kParts> parts{};
  const i64 count = (n + tile - 1) / tile;
  pool.parallel_for(count, [&, &isa = table()](i64 task, int) {
    parts[static_cast<std::size_t>(task)] =
        isa.sum_of_squares(std::min(tile, n - task * tile), x + task * tile);
  });
  double total = 0;
  for (i64 i = 0; i < count; ++i) total += parts[static_cast<std::size_t>(i)];
  return total;
}

}  // namespace mft::kernels
