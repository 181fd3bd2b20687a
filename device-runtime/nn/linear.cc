#include "nn/linear.h"

#include <algorithm>

#include "base/profile.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"

namespace mft::nn {
namespace {

using kernels::GemmOp;

// B is kept as peft and the pack have it, [rows, r]; the products are fast with r as the long-strided
// dimension (kernels/gemm.h), so a transposed copy is made for each use: r * rows elements against N * r *
// rows products.
void transpose(i64 rows, i64 columns, const float* from, float* to) {
  for (i64 c = 0; c < columns; ++c) {
    for (i64 r = 0; r < rows; ++r) to[c * rows + r] = from[r * columns + c];
  }
}

void add_transposed(i64 rows, i64 columns, const float* from, float* to) {
  for (i64 c = 0; c < columns; ++c) {
    for (i64 r = 0; r < rows; ++r) to[r * columns + c] += from[c * rows + r];
  }
}

// The input of an adapter: x, or a copy of it with the mask applied.
const float* drop(const Pass& pass, const Linear& linear, i64 rows, Site site, const float* x) {
  if (pass.adapter_dropout <= 0) return x;
  kernels::dropout(pass.pool, rows * linear.in, x, pass.scratch.dropped,
                   pass.site(site, pass.adapter_dropout));
  return pass.scratch.dropped;
}

void adapters_forward(const Pass& pass, const Linear& linear, i64 rows, const float* x, float* y) {
  const profile::Timer timer(profile::Op::kAdapters);
  const float* input = drop(pass, linear, rows, linear.adapters.front().site, x);
  for (const Adapter& adapter : linear.adapters) {
    const i64 r = adapter.rank;
    float* low = adapter.saved_low != nullptr ? adapter.saved_low : pass.scratch.low;
    kernels::gemm(pass.pool, GemmOp::kNT, r, rows, linear.in, adapter.a, linear.in, input, linear.in, low,
                  rows, 0, {.compute = pass.compute}, pass.scratch.kernel);
    transpose(adapter.rows, r, adapter.b, pass.scratch.b_t);
    kernels::gemm(pass.pool, GemmOp::kTN, rows, adapter.rows, r, low, rows, pass.scratch.b_t, adapter.rows,
                  y + adapter.row_begin, linear.out, 1, {.alpha = adapter.scale, .compute = pass.compute},
                  pass.scratch.kernel);
  }
}

void adapters_backward(const Pass& pass, const Linear& linear, i64 rows, const float* x, const float* dy,
                       float* dx) {
  const profile::Timer timer(profile::Op::kAdapters);
  const Scratch& scratch = pass.scratch;
  const Site site = linear.adapters.front().site;
  const bool trained = linear.adapters_trained();
  const float* input = trained ? drop(pass, linear, rows, site, x) : nullptr;
  for (const Adapter& adapter : linear.adapters) {
    const i64 r = adapter.rank;
    const float* dy_rows = dy + adapter.row_begin;
    if (trained) {  // dB = scale * dy^T (A x)^T
      kernels::gemm(pass.pool, GemmOp::kNN, r, adapter.rows, rows, adapter.saved_low, rows, dy_rows,
                    linear.out, scratch.d_b_t, adapter.rows, 0,
                    {.alpha = adapter.scale, .compute = pass.compute}, scratch.kernel);
      add_transposed(adapter.rows, r, scratch.d_b_t, adapter.d_b);
    }
    transpose(adapter.rows, r, adapter.b, scratch.b_t);
    kernels::gemm(pass.pool, GemmOp::kNT, r, rows, adapter.rows, scratch.b_t, adapter.rows, dy_rows,
                  linear.out, scratch.low, rows, 0, {.alpha = adapter.scale, .compute = pass.compute},
                  scratch.kernel);
    if (trained) {  // dA = (scale * dy B)^T x
      kernels::gemm(pass.pool, GemmOp::kNN, r, linear.in, rows, scratch.low, rows, input, linear.in,
                    adapter.d_a, linear.in, 1, {.compute = pass.compute}, scratch.kernel);
    }
    if (dx == nullptr) continue;
    if (pass.adapter_dropout <= 0) {
      kernels::gemm(pass.pool, GemmOp::kTN, rows, linear.in, r, scratch.low, rows, adapter.a, linear.in, dx,
                    linear.in, 1, {.compute = pass.compute}, scratch.kernel);
    } else {
      // The mask acts on the adapter's share of dx alone. scratch.dropped, the masked input, is overwritten:
      // it is made again if another adapter needs it.
      kernels::gemm(pass.pool, GemmOp::kTN, rows, linear.in, r, scratch.low, rows, adapter.a, linear.in,
                    scratch.dropped, linear.in, 0, {.compute = pass.compute}, scratch.kernel);
      kernels::dropout(pass.pool, rows * linear.in, scratch.dropped, scratch.dropped,
                       pass.site(site, pass.adapter_dropout));
      kernels::add(pass.pool, rows * linear.in, dx, scratch.dropped, dx);
      if (trained && &adapter != &linear.adapters.back()) input = drop(pass, linear, rows, site, x);
    }
  }
}

}  // namespace

void linear_forward(const Pass& pass, const Linear& linear, i64 rows, const float* x, const float* residual,
                    float* y) {
  kernels::gemm(pass.pool, GemmOp::kNT, rows, linear.out, linear.in, x, linear.in, linear.weight, linear.in,
                y, linear.out, 0, {.bias = linear.bias, .residual = residual, .ld_residual = linear.out,
                 .compute = pass.compute},
                pass.scratch.kernel);
  if (!linear.adapters.empty()) adapters_forward(pass, linear, rows, x, y);
}

void linear_backward(const Pass& pass, const Linear& linear, i64 rows, const float* x, const float* dy,
                     float* dx) {
  if (linear.d_bias != nullptr) {
    kernels::bias_gradient(pass.pool, rows, linear.out, dy, linear.out, linear.d_bias);
  }
  if (linear.d_weight != nullptr) {
    kernels::gemm(pass.pool, GemmOp::kTN, linear.out, linear.in, rows, dy, linear.out, x, linear.in,
                  linear.d_weight, linear.in, pass.first_gradients ? 0.0f : 1.0f, {.compute = pass.compute},
                  pass.scratch.kernel);
  }
  if (dx != nullptr) {
    kernels::gemm(pass.pool, GemmOp::kNN, rows, linear.in, linear.out, dy, linear.out, linear.weight,
                  linear.in, dx, linear.in, 0, {.compute = pass.compute}, pass.scratch.kernel);
  }
  if (!linear.adapters.empty()) adapters_backward(pass, linear, rows, x, dy, dx);
}

size_t linear_workspace(int threads, i64 rows, i64 in, i64 out, i64 rank) {
  const auto need = [&](GemmOp op, i64 m, i64 n, i64 k) {
    return kernels::gemm_workspace(threads, op, m, n, k);
  };
  size_t bytes = std::max(
      {need(GemmOp::kNT, rows, out, in), need(GemmOp::kTN, out, in, rows), need(GemmOp::kNN, rows, in, out)});
  if (rank > 0) {
    bytes =
        std::max({bytes, need(GemmOp::kNT, rank, rows, std::max(in, out)), need(GemmOp::kTN, rows, out, rank),
                  need(GemmOp::kTN, rows, in, rank), need(GemmOp::kNN, rank, std::max(in, out), rows)});
  }
  return bytes;
}

}  // namespace mft::nn
