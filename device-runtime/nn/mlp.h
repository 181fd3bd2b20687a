// The activation between the two products of the MLP, plain or gated.
#pragma once

#include "kernels/activation.h"
#include "nn/pass.h"

namespace mft::nn {

struct MlpActivation {
  kernels::ActivationKind kind = kernels::ActivationKind::kGeluTanh;
  bool gated = false;
  i64 inner = 0;  // F

  i64 up_width() const { return gated ? 2 * inner : inner; }
};

// up [N, F] (gated: [N, 2F], gate rows first) -> y [N, F]. Saves nothing: backward reads up.
void mlp_activation_forward(const Pass& pass, const MlpActivation& activation, i64 rows, const float* up,
                            float* y);
// dy [N, F] -> d_up, as wide as up. d_up may be dy unless the MLP is gated.
void mlp_activation_backward(const Pass& pass, const MlpActivation& activation, i64 rows, const float* up,
                             const float* dy, float* d_up);

}  // namespace mft::nn
