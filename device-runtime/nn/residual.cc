#include "nn/residual.h"

#include "kernels/elementwise.h"

namespace mft::nn {

void residual_forward(const Pass& pass, const Linear& linear, Site site, i64 rows, const float* x,
                      const float* residual, float* y) {
  if (pass.dropout <= 0) {
    linear_forward(pass, linear, rows, x, residual, y);
    return;
  }
  float* branch = pass.scratch.branch;
  linear_forward(pass, linear, rows, x, nullptr, branch);
  kernels::dropout(pass.pool, rows * linear.out, branch, branch, pass.site(site, pass.dropout));
  kernels::add(pass.pool, rows * linear.out, residual, branch, y);
}

void residual_backward(const Pass& pass, const Linear& linear, Site site, i64 rows, const float* x,
                       const float* dy, float* dx) {
  if (pass.dropout > 0) {
    kernels::dropout(pass.pool, rows * linear.out, dy, pass.scratch.branch, pass.site(site, pass.dropout));
    dy = pass.scratch.branch;
  }
  linear_backward(pass, linear, rows, x, dy, dx);
}

}  // namespace mft::nn
