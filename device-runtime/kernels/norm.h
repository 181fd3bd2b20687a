// LayerNorm (Ba et al., 2016) and RMSNorm (Zhang and Sennrich, 2019), forward and backward.
#pragma once

#include "base/threads.h"
#include "kernels/types.h"

namespace mft::kernels {

// x, y [N, C]; weight, bias [C] (bias may be null); mean, rstd [N] are saved for backward. y may be x only if
// no backward follows.
void layernorm_forward(ThreadPool& pool, i64 N, i64 C, const float* x, const float* weight, const float* bias,
                       float eps, float* y, float* mean, float* rstd);

// dx [N, C] = beta * dx + gradient (beta 0 or 1; with beta 0 dx may be dy); d_weight, d_bias [C] are added
// to, null: not wanted (frozen).
void layernorm_backward(ThreadPool& pool, i64 N, i64 C, const float* dy, const float* x, const float* weight,
                        const float* mean, const float* rstd, float beta, float* dx, float* d_weight,
                        float* d_bias);

// y = x / sqrt(mean(x^2) + eps) * (plus_one ? 1 + weight : weight). rstd [N] is saved for backward.
void rmsnorm_forward(ThreadPool& pool, i64 N, i64 C, const float* x, i64 ldx, const float* weight,
                     bool plus_one, float eps, float* y, i64 ldy, float* rstd);

// As layernorm_backward. ld: row distances, so that q/k norms can work on head slices of a fused activation.
void rmsnorm_backward(ThreadPool& pool, i64 N, i64 C, const float* dy, i64 ld_dy, const float* x, i64 ldx,
                      const float* weight, bool plus_one, const float* rstd, float beta, float* dx, i64 ld_dx,
                      float* d_weight);

}  // namespace mft::kernels
