// The end of a residual branch: y = residual + dropout(norm(linear(x))); the norm is Gemma's post norm, which
// most families lack.
#pragma once

#include "nn/linear.h"
#include "nn/norm.h"
#include "nn/pass.h"

namespace mft::nn {

struct Residual {
  const Linear& linear;
  const Norm& post_norm;  // weight null: none
  Site site;
};

// What a post norm's forward leaves for its backward; not used without one.
struct ResidualSaved {
  float* branch = nullptr;  // [N, out]: the norm's input; may be scratch.branch when no backward follows
  NormSaved norm;
};

// x [N, in], residual and y [N, out]; y may be residual. The dropout's mask is not saved but drawn again.
void residual_forward(const Pass& pass, const Residual& end, i64 rows, const float* x, const float* residual,
                      const ResidualSaved& saved, float* y);
// dy [N, out] is kept: it is also the gradient of residual. dx [N, in] as linear_backward.
void residual_backward(const Pass& pass, const Residual& end, i64 rows, const float* x,
                       const ResidualSaved& saved, const float* dy, float* dx);

}  // namespace mft::nn
