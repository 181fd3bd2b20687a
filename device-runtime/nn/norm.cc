#include "nn/norm.h"

#include "kernels/norm.h"

namespace mft::nn {

void norm_forward(const Pass& pass, const Norm& norm, i64 rows, const float* x, float* y,
                  const NormSaved& saved) {
  if (norm.kind == NormKind::kLayer) {
    kernels::layernorm_forward(pass.pool, rows, norm.channels, x, norm.weight, norm.bias, norm.eps, y,
                               saved.mean, saved.rstd);
  } else {
    kernels::rmsnorm_forward(pass.pool, rows, norm.channels, x, norm.channels, norm.weight,
                             norm.kind == NormKind::kRmsPlusOne, norm.eps, y, norm.channels, saved.rstd);
  }
}

void norm_backward(const Pass& pass, const Norm& norm, i64 rows, const float* dy, const float* x,
                   const NormSaved& saved, float beta, float* dx) {
  if (norm.kind == NormKind::kLayer) {
    kernels::layernorm_backward(pass.pool, rows, norm.channels, dy, x, norm.weight, saved.mean, saved.rstd,
                                beta, dx, norm.d_weight, norm.d_bias);
  } else {
    kernels::rmsnorm_backward(pass.pool, rows, norm.channels, dy, norm.channels, x, norm.channels,
                              norm.weight, norm.kind == NormKind::kRmsPlusOne, saved.rstd, beta, dx,
                              norm.channels, norm.d_weight);
  }
}

}  // namespace mft::nn
