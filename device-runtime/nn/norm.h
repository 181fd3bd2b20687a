// Normalisation of rows.
#pragma once

#include "nn/pass.h"

namespace mft::nn {

enum class NormKind : uint8_t { kLayer, kRms, kRmsPlusOne };

struct Norm {
  NormKind kind = NormKind::kLayer;
  float eps = 0;
  i64 channels = 0;
  const float* weight = nullptr;  // [C]
  const float* bias = nullptr;    // [C], layer norm only
  float* d_weight = nullptr;
  float* d_bias = nullptr;
};

// Saved by forward for backward.
struct NormSaved {
  float* mean = nullptr;  // [N], layer norm only
  float* rstd = nullptr;  // [N]
};

// x, y [rows, C].
void norm_forward(const Pass& pass, const Norm& norm, i64 rows, const float* x, float* y,
                  const NormSaved& saved);
// dx = beta * dx + gradient. With beta 0, dx may be dy.
void norm_backward(const Pass& pass, const Norm& norm, i64 rows, const float* dy, const float* x,
                   const NormSaved& saved, float beta, float* dx);

}  // namespace mft::nn
