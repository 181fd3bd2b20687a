#include "kernels/activation.h"

#include "base/profile.h"
#include "kernels/check.h"
#include "kernels/parallel.h"
#include "kernels/simd/table.h"

namespace mft::kernels {

void activation_forward(ThreadPool& pool, ActivationKind kind, i64 n, const float* x, float* y) {
  const profile::Timer timer(profile::Op::kActivation);
  for_stretches(pool, n,
                [&, &isa = table()](i64 i, i64 count) { isa.activation_forward(kind, count, x + i, y + i); });
}

void activation_backward(ThreadPool& pool, ActivationKind kind, i64 n, const float* x, const float* dy,
                         float* dx) {
  const profile::Timer timer(profile::Op::kActivation);
  for_stretches(pool, n, [&, &isa = table()](i64 i, i64 count) {
    isa.activation_backward(kind, count, x + i, dy + i, dx + i);
  });
}

void gated_forward(ThreadPool& pool, ActivationKind kind, i64 N, i64 F, const float* gate, const float* up,
                   i64 ld, float* y, i64 ldy) {
  const profile::Timer timer(profile::Op::kActivation);
  check_that(N >= 0 && F > 0 && ld >= F && ldy >= F, "kernels.shape", "gated activation: impossible sizes");
  for_rows(pool, N, F, [&, &isa = table()](i64 begin, i64 end) {
    for (i64 n = begin; n < end; ++n) isa.gated_forward(kind, F, gate + n * ld, up + n * ld, y + n * ldy);
  });
}

void gated_backward(ThreadPool& pool, ActivationKind kind, i64 N, i64 F, const float* gate, const float* up,
                    i64 ld, const float* dy, i64 ldy, float* d_gate, float* d_up, i64 ld_d) {
  const profile::Timer timer(profile::Op::kActivation);
  check_that(N >= 0 && F > 0 && ld >= F && ldy >= F && ld_d >= F, "kernels.shape",
             "gated activation: impossible sizes");
  for_rows(pool, N, F, [&, &isa = table()](i64 begin, i64 end) {
    for (i64 n = begin; n < end; ++n) {
      isa.gated_backward(kind, F, gate + n * ld, up + n * ld, dy + n * ldy, d_gate + n * ld_d,
                         d_up + n * ld_d);
    }
  });
}

}  // namespace mft::kernels
