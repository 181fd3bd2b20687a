#include "nn/residual.h"

#include "kernels/elementwise.h"

namespace mft::nn {

void residual_forward(const Pass& pass, const Residual& end, i64 rows, const float* x, const float* residual,
                      const ResidualSaved& saved, float* y) {
  const bool normed = end.post_norm.weight != nullptr;
  if (pass.dropout <= 0 && !normed) {
    linear_forward(pass, end.linear, rows, x, residual, y);
    return;
  }
  float* branch = pass.scratch.branch;
  linear_forward(pass, end.linear, rows, x, nullptr, normed ? saved.branch : branch);
  if (normed) norm_forward(pass, end.post_norm, rows, saved.branch, branch, saved.norm);
  if (pass.dropout > 0) {
    kernels::dropout(pass.pool, rows * end.linear.out, branch, branch, pass.site(end.site, pass.dropout));
  }
  kernels::add(pass.pool, rows * end.linear.out, residual, branch, y);
}

void residual_backward(const Pass& pass, const Residual& end, i64 rows, const float* x,
                       const ResidualSaved& saved, const float* dy, float* dx) {
  float* branch = pass.scratch.branch;
  if (pass.dropout > 0) {
    kernels::dropout(pass.pool, rows * end.linear.out, dy, branch, pass.site(end.site, pass.dropout));
    dy = branch;
  }
  if (end.post_norm.weight != nullptr) {
    norm_backward(pass, end.post_norm, rows, dy, saved.branch, saved.norm, 0, branch);
    dy = branch;
  }
  linear_backward(pass, end.linear, rows, x, dy, dx);
}

}  // namespace mft::nn
