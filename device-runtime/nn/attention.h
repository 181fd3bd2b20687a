// Causal self-attention between the fused qkv product (nn/query_key.h) and the output product.
#pragma once

#include "nn/pass.h"

namespace mft::nn {

struct Attention {
  i64 heads = 0;     // H
  i64 kv_heads = 0;  // Hkv
  i64 head_dim = 0;  // D
  float scale = 0;   // of the scores, 1 / sqrt(D) unless the model says otherwise
  float softcap = 0;  // scores become softcap * tanh(score / softcap); 0: off
  i64 window = 0;    // a query sees its `window` newest keys, itself included; 0: all

  i64 width() const { return heads * head_dim; }                       // of out
  i64 qkv_width() const { return (heads + 2 * kv_heads) * head_dim; }  // of qkv
  i64 kv_width() const { return kv_heads * head_dim; }
};

// Keys and values of one layer for generation: row t at keys + t * ld and values + t * ld, each Hkv*D wide.
struct KeyValueCache {
  float* keys = nullptr;
  float* values = nullptr;
  i64 ld = 0;
  i64 length = 0;  // rows filled
};

// qkv [N, (H + 2 Hkv) D] -> out [N, H D]. Saves logsumexp [N * H]; backward reads qkv and out too.
void attention_forward(const Pass& pass, const Attention& attention, const float* qkv, float* out,
                       float* logsumexp);
void attention_backward(const Pass& pass, const Attention& attention, const float* qkv, const float* out,
                        const float* logsumexp, const float* d_out, float* d_qkv);

// Puts the keys and values of qkv's rows behind those in the cache (the caller advances length for all layers
// at once).
void cache_keys_values(const Attention& attention, i64 rows, const float* qkv, const KeyValueCache& cache);
// The rows' queries against the cache, which holds their own keys and values already, from row cache.length on.
void attention_append(const Pass& pass, const Attention& attention, i64 rows, const float* qkv,
                      const KeyValueCache& cache, float* out);
// The same for one row, quicker (kernels::attention_decode).
void attention_next(const Pass& pass, const Attention& attention, const float* qkv,
                    const KeyValueCache& cache, float* out);

size_t attention_workspace(int threads, const Attention& attention, i64 tokens);
size_t attention_next_workspace(const Attention& attention, i64 length);

}  // namespace mft::nn
