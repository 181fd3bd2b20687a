// Causal multi-head attention in tiles with online softmax (Dao et al., FlashAttention): no T x T matrix is
// ever made.
#pragma once

#include "base/threads.h"
#include "kernels/dropout.h"
#include "kernels/types.h"

namespace mft::kernels {

struct AttentionShape {
  i64 heads = 0;     // H
  i64 kv_heads = 0;  // Hkv, divides H; query head h reads key/value head h / (H / Hkv)
  i64 head_dim = 0;  // D, at most 256
  i64 window = 0;    // a query sees its `window` newest keys, itself included; 0: all before it
  float scale = 0;   // of the scores, usually 1 / sqrt(D)
  float softcap = 0;  // scaled scores become softcap * tanh(score / softcap) before the mask; 0: off
};

// For N tokens in all.
std::size_t attention_workspace(int threads, const AttentionShape& shape, i64 tokens);

// A token sees those of its own sequence up to itself. What a sequence gives is the same to the bit whatever
// is beside it in the batch (but for the places of dropout's zeros).
// qkv [N, (H + 2 Hkv) * D] with row distance ld_qkv: all queries, then all keys, then all values of a
// token. out [N, H*D] with row distance ld_out. logsumexp [N * H]: of the scaled (and capped) scores, all
// that backward needs; that of sequence s is [H, T] at starts[s] * H. dropout acts on the attention
// probabilities (GPT-2's attn_pdrop).
void attention_forward(ThreadPool& pool, const AttentionShape& shape, const Sequences& sequences,
                       const float* qkv, i64 ld_qkv, float* out, i64 ld_out, float* logsumexp,
                       const DropoutSite& dropout, Workspace workspace);

// d_qkv [N, (H + 2 Hkv) * D] is overwritten. out and logsumexp as forward made them.
void attention_backward(ThreadPool& pool, const AttentionShape& shape, const Sequences& sequences,
                        const float* qkv, i64 ld_qkv, const float* out, i64 ld_out, const float* logsumexp,
                        const float* d_out, i64 ld_d_out, float* d_qkv, i64 ld_d_qkv,
                        const DropoutSite& dropout, Workspace workspace);

// `count` new tokens of one sequence against a cache of keys and values, in tiles as attention_forward: the
// bits it would give for the whole sequence. q [count, H*D] with row distance ld_q, at positions `length` and
// on; keys, values: row t at keys + t * ld_kv, Hkv*D wide, length + count rows, the new tokens' own among
// them. out [count, H*D]. Workspace: attention_workspace for `count` tokens.
void attention_append(ThreadPool& pool, const AttentionShape& shape, i64 length, i64 count, const float* q,
                      i64 ld_q, const float* keys, const float* values, i64 ld_kv, float* out, i64 ld_out,
                      Workspace workspace);

// The same for one token, without tiles, its sums in another order: quicker. q [H*D]; keys, values: `length`
// rows, the new token's own among them. out [H*D].
std::size_t attention_decode_workspace(const AttentionShape& shape, i64 length);
void attention_decode(ThreadPool& pool, const AttentionShape& shape, i64 length, const float* q,
                      const float* keys, const float* values, i64 ld_kv, float* out, Workspace workspace);

}  // namespace mft::kernels
