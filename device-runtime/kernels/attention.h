// Causal multi-head attention in tiles with online softmax (Dao et al., FlashAttention): no T x T matrix is
// ever made.
#pragma once

#include "base/threads.h"
#include "kernels/dropout.h"
#include "kernels/types.h"

namespace mft::kernels {

struct AttentionShape {
  i64 batch = 0;     // B
  i64 time = 0;      // T, any number
  i64 heads = 0;     // H
  i64 kv_heads = 0;  // Hkv, divides H; query head h reads key/value head h / (H / Hkv)
  i64 head_dim = 0;  // D, at most 256
  i64 window = 0;    // a query sees its `window` newest keys, itself included; 0: all before it
  float scale = 0;   // of the scores, usually 1 / sqrt(D)
  float softcap = 0;  // scaled scores become softcap * tanh(score / softcap) before the mask; 0: off
};

std::size_t attention_workspace(int threads, const AttentionShape& shape);

// qkv [B*T, (H + 2 Hkv) * D] with row distance ld_qkv: all queries, then all keys, then all values of a
// token. out [B*T, H*D] with row distance ld_out. logsumexp [B, H, T]: of the scaled (and capped) scores, all
// that backward needs. dropout acts on the attention probabilities (GPT-2's attn_pdrop).
void attention_forward(ThreadPool& pool, const AttentionShape& shape, const float* qkv, i64 ld_qkv,
                       float* out, i64 ld_out, float* logsumexp, const DropoutSite& dropout,
                       Workspace workspace);

// d_qkv [B*T, (H + 2 Hkv) * D] is overwritten. out and logsumexp as forward made them.
void attention_backward(ThreadPool& pool, const AttentionShape& shape, const float* qkv, i64 ld_qkv,
                        const float* out, i64 ld_out, const float* logsumexp, const float* d_out,
                        i64 ld_d_out, float* d_qkv, i64 ld_d_qkv, const DropoutSite& dropout,
                        Workspace workspace);

// One new token against a cache, for generation. q [H*D]; keys, values: row t at keys + t * ld_kv, Hkv*D
// wide, `length` rows, the new token's own among them (shape.batch and shape.time are not read). out [H*D].
std::size_t attention_decode_workspace(const AttentionShape& shape, i64 length);
void attention_decode(ThreadPool& pool, const AttentionShape& shape, i64 length, const float* q,
                      const float* keys, const float* values, i64 ld_kv, float* out, Workspace workspace);

}  // namespace mft::kernels
