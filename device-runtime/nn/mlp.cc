#include "nn/mlp.h"

namespace mft::nn {

void mlp_activation_forward(const Pass& pass, const MlpActivation& activation, i64 rows, const float* up,
                            float* y) {
  const i64 inner = activation.inner;
  if (activation.gated) {
    kernels::gated_forward(pass.pool, activation.kind, rows, inner, up, up + inner, 2 * inner, y, inner);
  } else {
    kernels::activation_forward(pass.pool, activation.kind, rows * inner, up, y);
  }
}

void mlp_activation_backward(const Pass& pass, const MlpActivation& activation, i64 rows, const float* up,
                             const float* dy, float* d_up) {
  const i64 inner = activation.inner;
  if (activation.gated) {
    kernels::gated_backward(pass.pool, activation.kind, rows, inner, up, up + inner, 2 * inner, dy, inner,
                            d_up, d_up + inner, 2 * inner);
  } else {
    kernels::activation_backward(pass.pool, activation.kind, rows * inner, up, dy, d_up);
  }
}

}  // namespace mft::nn
