// Attention, forward: one tile of queries against all key tiles it sees.
#include "kernels/math.h"
#include "kernels/simd/attention.h"

namespace mft::kernels::MFT_ISA {
namespace {

// Running maximum and sum of a row of the online softmax.
struct RowState {
  float largest;
  float sum;
};

// Turns the scores of one row into exp(scale * score - maximum) (softcap: with the capped score), folds them
// into the state, and returns the factor by which what was summed before has to be multiplied.
float soften(float* scores, const Seen& seen, i64 keys, float scale, float softcap, RowState& state) {
  if (seen.end <= seen.begin) {
    for (i64 j = 0; j < keys; ++j) scores[j] = 0.0f;
    return 1.0f;
  }
  if (softcap > 0.0f) {
    cap_scores(scores, seen.end, scale, softcap);
    scale = 1.0f;
  }
  const i64 end = mask_scores(scores, seen);
  Lanes top = load(scores);
  for (i64 j = kLanes; j < end; j += kLanes) top = max(top, load(scores + j));
  const float here = maximum(top) * scale;
  const float largest = state.largest > here ? state.largest : here;
  const Lanes factor = set(scale), offset = set(-largest);
  Lanes total = set(0.0f);
  for (i64 j = 0; j < end; j += kLanes) {
    const Lanes p = exp(fma(load(scores + j), factor, offset));
    total = add(total, p);
    store(p, scores + j);
  }
  for (i64 j = end; j < keys; ++j) scores[j] = 0.0f;
  alignas(64) float correction[kLanes];
  store(exp(set(state.largest - largest)), correction);
  state.largest = largest;
  state.sum = state.sum * correction[0] + sum(total);
  return correction[0];
}

void scale_row(float* row, i64 n, float factor) {
  const Lanes f = set(factor);
  for_lanes(n, [&](i64 i, auto count) { store(mul(load(row + i, count), f), row + i, count); });
}

}  // namespace

void attention_forward(const AttentionForwardArgs& a, i64 h, i64 tile, float* memory) {
  const AttentionShape& s = a.shape;
  const i64 D = s.head_dim, T = a.time, kv = h / (s.heads / s.kv_heads);
  ScratchFloats scratch(memory);
  float* const q_packed = scratch.take(kAttentionTile * D);
  float* const k_packed = scratch.take(kAttentionTile * D);
  float* const v_packed = scratch.take(kAttentionTile * padded(D, kAttentionTile));
  float* const scores = scratch.take(kTileArea);
  float* const p_packed = scratch.take(kTileArea);
  float* const sums = scratch.take(kAttentionTile * D);

  const i64 query = tile * kAttentionTile, rows = smaller(kAttentionTile, T - query);
  const float* const keys_top = a.keys + kv * D;
  const float* const values_top = a.values + kv * D;
  const DropoutFactors dropout(a.dropout);
  RowState state[kAttentionTile];
  for (i64 r = 0; r < rows; ++r) state[r] = {kMinusInfinity, 0.0f};

  pack_rows(a.q + query * a.ld_q + h * D, DType::kF32, a.ld_q, rows, D, kTileRows, q_packed);
  // Key tiles begin at multiples of their size wherever the queries begin: the same bits in every chunk.
  const i64 position = a.position + query;
  const i64 first = first_key_tile(s, position) * kAttentionTile;
  for (i64 key = first; key < position + rows; key += kAttentionTile) {
    const i64 keys = smaller(kAttentionTile, position + rows - key);
    pack_rows(keys_top + key * a.ld_kv, DType::kF32, a.ld_kv, keys, D, kTileColumns, k_packed);
    gemm_block(rows, keys, D, q_packed, k_packed, scores, kAttentionTile, {});
    for (i64 r = 0; r < rows; ++r) {
      float* const row = scores + r * kAttentionTile;
      const Seen seen = seen_keys(s, position + r, key, keys);
      const float correction = soften(row, seen, keys, s.scale, s.softcap, state[r]);
      if (key > first) scale_row(sums + r * D, D, correction);
      if (dropout.active()) drop(a, dropout, h, query + r, key, keys, row);
    }
    pack_rows(scores, DType::kF32, kAttentionTile, rows, keys, kTileRows, p_packed);
    pack_columns(values_top + key * a.ld_kv, DType::kF32, a.ld_kv, D, keys, kTileColumns, v_packed);
    BlockEpilogue e;
    e.accumulate = key > first;
    gemm_block(rows, D, keys, p_packed, v_packed, sums, D, e);
  }
  for (i64 r = 0; r < rows; ++r) {
    const Lanes total = set(state[r].sum);
    float* const out = a.out + (query + r) * a.ld_out + h * D;
    for_lanes(D,
              [&](i64 i, auto count) { store(div(load(sums + r * D + i, count), total), out + i, count); });
    if (a.logsumexp == nullptr) continue;
    const double lse = static_cast<double>(state[r].largest) + math::log(static_cast<double>(state[r].sum));
    a.logsumexp[h * T + query + r] = static_cast<float>(lse);
  }
}

void attention_decode(i64 length, i64 D, float scale, float softcap, const float* q, const float* keys,
                      const float* values, i64 ld, float* scores, float* out) {
  for (i64 t = 0; t < length; ++t) {
    Lanes dot = set(0.0f);
    for_lanes(D,
              [&](i64 i, auto count) { dot = fma(load(q + i, count), load(keys + t * ld + i, count), dot); });
    scores[t] = sum(dot);
  }
  RowState state{kMinusInfinity, 0.0f};
  soften(scores, {0, length}, length, scale, softcap, state);
  for_lanes(D, [&](i64 i, auto count) {
    Lanes total = set(0.0f);
    for (i64 t = 0; t < length; ++t) total = fma(set(scores[t]), load(values + t * ld + i, count), total);
    store(div(total, set(state.sum)), out + i, count);
  });
}

}  // namespace mft::kernels::MFT_ISA
