// Queries and keys between the fused qkv product and attention: norm of each head and rotation by position.
#pragma once

#include "nn/attention.h"
#include "nn/norm.h"
#include "nn/pass.h"

namespace mft::nn {

struct QueryKey {
  // Norms of D channels, of an RMS kind; weight null: none.
  Norm q_norm, k_norm;
  const float* angles = nullptr;  // [positions, D] of kernels::rope_table; null: no rotation
  i64 positions = 0;

  bool normed() const { return q_norm.weight != nullptr; }
  bool turned() const { return angles != nullptr; }
};

// qkv [N, (H + 2 Hkv) D] -> out, which may be qkv when there is no norm or no backward follows. With a norm
// rstd [N, H + Hkv] is written; the backward reads it and qkv.
void query_key_forward(const Pass& pass, const Attention& attention, const QueryKey& query_key,
                       const float* qkv, float* out, float* rstd);
// d_qkv [N, (H + 2 Hkv) D]: the gradient of out comes in, that of qkv goes out.
void query_key_backward(const Pass& pass, const Attention& attention, const QueryKey& query_key,
                        const float* qkv, const float* rstd, float* d_qkv);

}  // namespace mft::nn
