#include "nn/attention.h"

#include <cstring>

#include "kernels/attention.h"

namespace mft::nn {
namespace {

kernels::AttentionShape shape_of(const Attention& attention) {
  return {.heads = attention.heads,
          .kv_heads = attention.kv_heads,
          .head_dim = attention.head_dim,
          .window = attention.window,
          .scale = attention.scale,
          .softcap = attention.softcap};
}

}  // namespace

void attention_forward(const Pass& pass, const Attention& attention, const float* qkv, float* out,
                       float* logsumexp) {
  kernels::attention_forward(pass.pool, shape_of(attention), pass.sequences, qkv,
                             attention.qkv_width(), out, attention.width(), logsumexp,
                             pass.site(Site::kAttention, pass.dropout), pass.scratch.kernel);
}

void attention_backward(const Pass& pass, const Attention& attention, const float* qkv, const float* out,
                        const float* logsumexp, const float* d_out, float* d_qkv) {
  kernels::attention_backward(pass.pool, shape_of(attention), pass.sequences, qkv,
                              attention.qkv_width(), out, attention.width(), logsumexp, d_out,
                              attention.width(), d_qkv, attention.qkv_width(),
                              pass.site(Site::kAttention, pass.dropout), pass.scratch.kernel);
}

void cache_keys_values(const Attention& attention, i64 rows, const float* qkv, const KeyValueCache& cache) {
  const size_t bytes = static_cast<size_t>(attention.kv_width()) * sizeof(float);
  for (i64 n = 0; n < rows; ++n) {
    const float* keys = qkv + n * attention.qkv_width() + attention.width();
    std::memcpy(cache.keys + (cache.length + n) * cache.ld, keys, bytes);
    std::memcpy(cache.values + (cache.length + n) * cache.ld, keys + attention.kv_width(), bytes);
  }
}

void attention_append(const Pass& pass, const Attention& attention, i64 rows, const float* qkv,
                      const KeyValueCache& cache, float* out) {
  kernels::attention_append(pass.pool, shape_of(attention), cache.length, rows, qkv, attention.qkv_width(),
                            cache.keys, cache.values, cache.ld, out, attention.width(), pass.scratch.kernel);
}

void attention_next(const Pass& pass, const Attention& attention, const float* qkv,
                    const KeyValueCache& cache, float* out) {
  kernels::attention_decode(pass.pool, shape_of(attention), cache.length + 1, qkv, cache.keys,
                            cache.values, cache.ld, out, pass.scratch.kernel);
}

size_t attention_workspace(int threads, const Attention& attention, i64 tokens) {
  return kernels::attention_workspace(threads, shape_of(attention), tokens);
}

size_t attention_next_workspace(const Attention& attention, i64 length) {
  return kernels::attention_decode_workspace(shape_of(attention), length);
}

}  // namespace mft::nn
