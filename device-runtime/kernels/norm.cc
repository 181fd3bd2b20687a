#include "kernels/norm.h"

#include "base/profile.h"
#include "kernels/check.h"
#include "kernels/parallel.h"
#include "kernels/simd/table.h"

namespace mft::kernels {

void layernorm_forward(ThreadPool& pool, i64 N, i64 C, const float* x, const float* weight, const float* bias,
                       float eps, float* y, float* mean, float* rstd) {
  const profile::Timer timer(profile::Op::kNorm);
  check_that(N >= 0 && C > 0, "kernels.shape", "layernorm: impossible sizes");
  LayerNormRows args{};
  args.channels = C;
  args.x = x;
  args.weight = weight;
  args.bias = bias;
  args.y = y;
  args.mean = mean;
  args.rstd = rstd;
  args.eps = eps;
  for_rows(pool, N, C, [&, &isa = table()](i64 begin, i64 end) { isa.layernorm_forward(args, begin, end); });
}

void layernorm_backward(ThreadPool& pool, i64 N, i64 C, const float* dy, const float* x, const float* weight,
                        const float* mean, const float* rstd, float beta, float* dx, float* d_weight,
                        float* d_bias) {
  const profile::Timer timer(profile::Op::kNorm);
  check_that(N >= 0 && C > 0 && (beta == 0.0f || beta == 1.0f), "kernels.shape",
             "layernorm: impossible sizes or beta");
  LayerNormRows args{};
  args.channels = C;
  args.x = x;
  args.weight = weight;
  args.dy = dy;
  args.mean = const_cast<float*>(mean);  // only forward writes them
  args.rstd = const_cast<float*>(rstd);
  args.dx = dx;
  args.add_dx = beta != 0.0f;
  const Table& isa = table();
  if (d_weight != nullptr || d_bias != nullptr) {  // first, since dx may overwrite dy
    for_columns(pool, C,
                [&](i64 begin, i64 end) { isa.layernorm_parameters(args, N, begin, end, d_weight, d_bias); });
  }
  for_rows(pool, N, C, [&](i64 begin, i64 end) { isa.layernorm_backward(args, begin, end); });
}

void rmsnorm_forward(ThreadPool& pool, i64 N, i64 C, const float* x, i64 ldx, const float* weight,
                     bool plus_one, float eps, float* y, i64 ldy, float* rstd) {
  const profile::Timer timer(profile::Op::kNorm);
  check_that(N >= 0 && C > 0 && ldx >= C && ldy >= C, "kernels.shape", "rmsnorm: impossible sizes");
  RmsNormRows args{};
  args.channels = C;
  args.x = x;
  args.ldx = ldx;
  args.weight = weight;
  args.plus_one = plus_one;
  args.eps = eps;
  args.y = y;
  args.ldy = ldy;
  args.rstd = rstd;
  for_rows(pool, N, C, [&, &isa = table()](i64 begin, i64 end) { isa.rmsnorm_forward(args, begin, end); });
}

void rmsnorm_backward(ThreadPool& pool, i64 N, i64 C, const float* dy, i64 ld_dy, const float* x, i64 ldx,
                      const float* weight, bool plus_one, const float* rstd, float beta, float* dx, i64 ld_dx,
                      float* d_weight) {
  const profile::Timer timer(profile::Op::kNorm);
  check_that(N >= 0 && C > 0 && ldx >= C && ld_dy >= C && ld_dx >= C && (beta == 0.0f || beta == 1.0f),
             "kernels.shape", "rmsnorm: impossible sizes or beta");
  RmsNormRows args{};
  args.channels = C;
  args.x = x;
  args.ldx = ldx;
  args.dy = dy;
  args.ld_dy = ld_dy;
  args.weight = weight;
  args.plus_one = plus_one;
  args.rstd = const_cast<float*>(rstd);
  args.dx = dx;
  args.ld_dx = ld_dx;
  args.add_dx = beta != 0.0f;
  const Table& isa = table();
  if (d_weight != nullptr) {
    for_columns(pool, C, [&](i64 begin, i64 end) { isa.rmsnorm_parameters(args, N, begin, end, d_weight); });
  }
  for_rows(pool, N, C, [&](i64 begin, i64 end) { isa.rmsnorm_backward(args, begin, end); });
}

}  // namespace mft::kernels
