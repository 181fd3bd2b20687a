// y = x W^T + b, with LoRA adapters (Hu et al., 2021) on row ranges of W:
// y[:, rows] += scale * (dropout(x) A^T) B^T.
#pragma once

#include <span>

#include "nn/pass.h"

namespace mft::nn {

struct Adapter {
  i64 row_begin = 0;
  i64 rows = 0;              // of W that it acts on
  i64 rank = 0;              // r
  float scale = 0;           // alpha / r
  const float* a = nullptr;  // [r, in]
  const float* b = nullptr;  // [rows, r]
  float* d_a = nullptr;      // null: frozen
  float* d_b = nullptr;
  // The site of its dropout mask: all adapters of one linear layer see the same one.
  Site site = Site::kAdapter;
  float* saved_low =
      nullptr;  // [r, N]: A dropout(x)^T, saved by forward for backward; null: no backward follows
};

struct Linear {
  i64 in = 0;
  i64 out = 0;
  kernels::Weights weight;      // [out, in]
  const float* bias = nullptr;  // [out] or null
  float* d_weight = nullptr;
  float* d_bias = nullptr;
  std::span<const Adapter> adapters;

  bool trained() const { return d_weight != nullptr || d_bias != nullptr || adapters_trained(); }
  bool adapters_trained() const { return !adapters.empty() && adapters.front().d_a != nullptr; }
  // Whether backward reads x.
  bool needs_input() const { return d_weight != nullptr || adapters_trained(); }
};

// x [N, in], y [N, out]. residual [N, out] is added when it is given; it may be y.
void linear_forward(const Pass& pass, const Linear& linear, i64 rows, const float* x, const float* residual,
                    float* y);
// dy [N, out]. dx [N, in] is overwritten; null: nothing below is trained. x is not read when !needs_input().
void linear_backward(const Pass& pass, const Linear& linear, i64 rows, const float* x, const float* dy,
                     float* dx);

// Kernel workspace of both, in bytes.
size_t linear_workspace(int threads, i64 rows, i64 in, i64 out, i64 rank);

}  // namespace mft::nn
