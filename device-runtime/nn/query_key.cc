#include "nn/query_key.h"

#include "kernels/query_key.h"

namespace mft::nn {
namespace {

kernels::QueryKeyShape shape_of(const Pass& pass, const Attention& attention) {
  return {.rows = pass.rows(),
          .heads = attention.heads,
          .kv_heads = attention.kv_heads,
          .head_dim = attention.head_dim};
}

kernels::QueryKeyNorm norm_of(const QueryKey& query_key) {
  return {.q_weight = query_key.q_norm.weight,
          .k_weight = query_key.k_norm.weight,
          .plus_one = query_key.q_norm.kind == NormKind::kRmsPlusOne,
          .eps = query_key.q_norm.eps};
}

kernels::QueryKeyRotation rotation_of(const Pass& pass, const QueryKey& query_key) {
  return {.table = query_key.angles, .positions = query_key.positions, .position = pass.positions};
}

}  // namespace

void query_key_forward(const Pass& pass, const Attention& attention, const QueryKey& query_key,
                       const float* qkv, float* out, float* rstd) {
  kernels::query_key_forward(pass.pool, shape_of(pass, attention), norm_of(query_key),
                             rotation_of(pass, query_key), qkv, out, rstd);
}

void query_key_backward(const Pass& pass, const Attention& attention, const QueryKey& query_key,
                        const float* qkv, const float* rstd, float* d_qkv) {
  kernels::query_key_backward(pass.pool, shape_of(pass, attention), norm_of(query_key),
                              rotation_of(pass, query_key), qkv, rstd, d_qkv, query_key.q_norm.d_weight,
                              query_key.k_norm.d_weight);
}

}  // namespace mft::nn
