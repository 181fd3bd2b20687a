// What happens to queries and keys between the fused qkv product and the scores: RMSNorm of each head (Gemma
// 3, Qwen3) and the rotation by position (kernels/rope.h), in one pass over the rows.
#pragma once

#include "base/threads.h"
#include "kernels/types.h"

namespace mft::kernels {

struct QueryKeyShape {
  i64 rows = 0;      // N
  i64 heads = 0;     // H
  i64 kv_heads = 0;  // Hkv
  i64 head_dim = 0;  // D

  i64 width() const { return (heads + 2 * kv_heads) * head_dim; }  // of a row of qkv
};

struct QueryKeyNorm {
  const float* q_weight = nullptr;  // [D]; null (then both are): no norm
  const float* k_weight = nullptr;  // [D]
  bool plus_one = false;            // weights are 1 + w
  float eps = 0;
};

struct QueryKeyRotation {
  const float* table = nullptr;             // [positions, D] of rope_table; null: no rotation
  i64 positions = 0;                        // rows of table
  const std::int32_t* position = nullptr;   // [N]
};

// qkv and out [N, (H + 2 Hkv) D]: the heads of q and k normed and turned, v copied. out may be qkv (without a
// norm, or when no backward follows). rstd [N, H + Hkv] is saved for backward; null without a norm.
void query_key_forward(ThreadPool& pool, const QueryKeyShape& shape, const QueryKeyNorm& norm,
                       const QueryKeyRotation& rotation, const float* qkv, float* out, float* rstd);

// d_qkv [N, (H + 2 Hkv) D]: the gradient of out comes in, that of qkv goes out; v's part stays. qkv as
// forward read it (not read without a norm). d_q_weight, d_k_weight [D] are added to, null: frozen.
void query_key_backward(ThreadPool& pool, const QueryKeyShape& shape, const QueryKeyNorm& norm,
                        const QueryKeyRotation& rotation, const float* qkv, const float* rstd, float* d_qkv,
                        float* d_q_weight, float* d_k_weight);

}  // namespace mft::kernels
