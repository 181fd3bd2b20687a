// The end of a residual branch: y = residual + dropout(linear(x)).
#pragma once

#include "nn/linear.h"
#include "nn/pass.h"

namespace mft::nn {

// x [N, in], residual and y [N, out]; y may be residual. Saves nothing: the mask is drawn again.
void residual_forward(const Pass& pass, const Linear& linear, Site site, i64 rows, const float* x,
                      const float* residual, float* y);
// dy [N, out] is kept: it is also the gradient of residual. dx [N, in] as linear_backward.
void residual_backward(const Pass& pass, const Linear& linear, Site site, i64 rows, const float* x,
                       const float* dy, float* dx);

}  // namespace mft::nn
