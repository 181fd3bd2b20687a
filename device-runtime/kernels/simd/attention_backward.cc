// Attention, backward: probabilities are computed again from the logsumexp, tile pair by tile pair.
// d_q of a query sums over key tiles ascending; d_k and d_v of a key over heads, then query tiles ascending.
// Both ways of sharing the work (one pass over a head, or tiles of queries and of keys apart) keep that
// order: the same bits.
#include "kernels/simd/attention.h"

namespace mft::kernels::MFT_ISA {
namespace {

class Backward {
 public:
  Backward(const AttentionBackwardArgs& args, float* memory)
      : a_(args), s_(args.shape), dropout_(args.dropout), D_(args.shape.head_dim) {
    ScratchFloats scratch(memory);
    const i64 rows = kAttentionTile * D_, columns = kAttentionTile * padded(D_, kAttentionTile);
    q_rows_ = scratch.take(rows);
    dout_rows_ = scratch.take(rows);
    k_rows_ = scratch.take(rows);
    v_rows_ = scratch.take(rows);
    q_columns_ = scratch.take(columns);
    dout_columns_ = scratch.take(columns);
    k_columns_ = scratch.take(columns);
    p_ = scratch.take(kTileArea);
    ds_ = scratch.take(kTileArea);
    packed_ = scratch.take(kTileArea);
  }

  void take_queries(i64 h, i64 tile) {
    h_ = h;
    query_ = tile * kAttentionTile;
    rows_ = smaller(kAttentionTile, a_.time - query_);
    const float* const q = a_.qkv + query_ * a_.ld_qkv + h * D_;
    const float* const dout = a_.d_out + query_ * a_.ld_d_out + h * D_;
    pack_rows(q, DType::kF32, a_.ld_qkv, rows_, D_, kTileRows, q_rows_);
    pack_rows(dout, DType::kF32, a_.ld_d_out, rows_, D_, kTileRows, dout_rows_);
    pack_columns(q, DType::kF32, a_.ld_qkv, D_, rows_, kTileColumns, q_columns_);
    pack_columns(dout, DType::kF32, a_.ld_d_out, D_, rows_, kTileColumns, dout_columns_);
  }

  void take_keys(i64 kv, i64 tile) {
    kv_ = kv;
    key_ = tile * kAttentionTile;
    keys_ = smaller(kAttentionTile, a_.time - key_);
    const float* const k = a_.qkv + key_ * a_.ld_qkv + (s_.heads + kv) * D_;
    const float* const v = k + s_.kv_heads * D_;
    pack_rows(k, DType::kF32, a_.ld_qkv, keys_, D_, kTileColumns, k_rows_);
    pack_rows(v, DType::kF32, a_.ld_qkv, keys_, D_, kTileColumns, v_rows_);
    pack_columns(k, DType::kF32, a_.ld_qkv, D_, keys_, kTileColumns, k_columns_);
  }

  // p = probabilities after dropout, ds = gradient of the unscaled scores, of the queries and keys taken.
  void compute() {
    gemm_block(rows_, keys_, D_, q_rows_, k_rows_, p_, kAttentionTile, {});
    gemm_block(rows_, keys_, D_, dout_rows_, v_rows_, ds_, kAttentionTile, {});
    const i64 head = h_ * a_.time;
    for (i64 r = 0; r < rows_; ++r) {
      const i64 q = query_ + r;
      compute_row(q, a_.logsumexp[head + q], a_.delta[head + q], p_ + r * kAttentionTile,
                  ds_ + r * kAttentionTile);
    }
  }

  void add_to_queries(bool first) {
    pack_rows(ds_, DType::kF32, kAttentionTile, rows_, keys_, kTileRows, packed_);
    float* const dq = a_.d_qkv + query_ * a_.ld_d_qkv + h_ * D_;
    gemm_block(rows_, D_, keys_, packed_, k_columns_, dq, a_.ld_d_qkv, epilogue(first));
  }

  void add_to_keys(bool first) {
    float* const dk = a_.d_qkv + key_ * a_.ld_d_qkv + (s_.heads + kv_) * D_;
    float* const dv = dk + s_.kv_heads * D_;
    pack_columns(p_, DType::kF32, kAttentionTile, keys_, rows_, kTileRows, packed_);
    gemm_block(keys_, D_, rows_, packed_, dout_columns_, dv, a_.ld_d_qkv, epilogue(first));
    pack_columns(ds_, DType::kF32, kAttentionTile, keys_, rows_, kTileRows, packed_);
    gemm_block(keys_, D_, rows_, packed_, q_columns_, dk, a_.ld_d_qkv, epilogue(first));
  }

 private:
  static BlockEpilogue epilogue(bool first) {
    BlockEpilogue e;
    e.accumulate = !first;
    return e;
  }

  // On entry p holds raw scores, ds holds d_out . v.
  void compute_row(i64 q, float lse, float delta, float* p, float* ds) const {
    const Seen seen = seen_keys(s_, q, key_, keys_);
    i64 end = 0;
    if (seen.end > seen.begin) {
      const bool capped = s_.softcap > 0.0f;
      if (capped) cap_scores(p, seen.end, s_.scale, s_.softcap);
      end = mask_scores(p, seen);
      // Beyond the keys ds holds what an earlier tile left; times a probability of 0 it must not become NaN.
      for (i64 j = keys_; j < end; ++j) ds[j] = 0.0f;
      const Lanes scale = set(s_.scale), offset = set(-lse), mean = set(delta);
      if (dropout_.active()) drop(a_, dropout_, h_, q, key_, end, ds);
      if (capped) {
        capped_gradients(end, offset, mean, p, ds);
      } else {
        for (i64 j = 0; j < end; j += kLanes) store(exp(fma(load(p + j), scale, offset)), p + j);
        for (i64 j = 0; j < end; j += kLanes) gradient(p + j, scale, mean, ds + j);
      }
      if (dropout_.active()) drop(a_, dropout_, h_, q, key_, end, p);
    }
    for (i64 j = end; j < keys_; ++j) p[j] = ds[j] = 0.0f;
    if (q > 0 && s_.window != 1) return;
    // A query that sees one key gives it all its weight, whatever the score: the gradient is 0, without
    // rounding.
    for (i64 j = 0; j < keys_; ++j) ds[j] = 0.0f;
  }

  // p holds capped scores (-infinity behind the mask, where the probability is 0 and the slope must be
  // finite).
  void capped_gradients(i64 end, const Lanes& offset, const Lanes& mean, float* p, float* ds) const {
    const Lanes lowest = set(-s_.softcap), inverse = set(1.0f / s_.softcap), scale = set(s_.scale);
    for (i64 j = 0; j < end; j += kLanes) {
      const Lanes score = load(p + j), ratio = mul(max(score, lowest), inverse);
      const Lanes slope = mul(sub(set(1.0f), mul(ratio, ratio)), scale);
      store(exp(add(score, offset)), p + j);
      gradient(p + j, slope, mean, ds + j);
    }
  }

  MFT_INLINE void gradient(const float* p, const Lanes& scale, const Lanes& mean, float* ds) {
    store(mul(mul(load(p), sub(load(ds), mean)), scale), ds);
  }

  const AttentionBackwardArgs& a_;
  const AttentionShape& s_;
  DropoutFactors dropout_;
  i64 D_;
  i64 h_ = 0, query_ = 0, rows_ = 0;
  i64 kv_ = 0, key_ = 0, keys_ = 0;
  float *q_rows_, *dout_rows_, *k_rows_, *v_rows_, *q_columns_, *dout_columns_, *k_columns_, *p_, *ds_,
      *packed_;
};

MFT_INLINE i64 tiles_of(const AttentionBackwardArgs& a) { return (a.time + kAttentionTile - 1) / kAttentionTile; }

}  // namespace

i64 attention_scratch(const AttentionShape& shape) {
  // As the constructor takes them; the forward needs less.
  return 4 * kAttentionTile * shape.head_dim + 3 * kAttentionTile * padded(shape.head_dim, kAttentionTile) +
         3 * kTileArea;
}

void attention_delta(const AttentionBackwardArgs& a, i64 h, i64 tile) {
  const AttentionShape& s = a.shape;
  const i64 end = smaller(a.time, (tile + 1) * kAttentionTile);
  for (i64 q = tile * kAttentionTile; q < end; ++q) {
    const float* const out = a.out + q * a.ld_out + h * s.head_dim;
    const float* const d_out = a.d_out + q * a.ld_d_out + h * s.head_dim;
    Lanes dot = set(0.0f);
    for_lanes(s.head_dim, [&](i64 i, auto n) { dot = fma(load(out + i, n), load(d_out + i, n), dot); });
    a.delta[h * a.time + q] = sum(dot);
  }
}

void attention_backward(const AttentionBackwardArgs& a, i64 kv, float* memory) {
  Backward work(a, memory);
  const i64 group = a.shape.heads / a.shape.kv_heads;
  for (i64 h = kv * group; h < (kv + 1) * group; ++h) {
    for (i64 i = 0; i < tiles_of(a); ++i) {
      work.take_queries(h, i);
      const i64 first = first_key_tile(a.shape, i * kAttentionTile);
      for (i64 j = first; j <= i; ++j) {
        work.take_keys(kv, j);
        work.compute();
        work.add_to_queries(j == first);
        work.add_to_keys(h == kv * group &&
                         i == j);  // the own tile's queries are the first to see a key tile
      }
    }
  }
}

void attention_backward_keys(const AttentionBackwardArgs& a, i64 kv, i64 tile, float* memory) {
  Backward work(a, memory);
  const i64 group = a.shape.heads / a.shape.kv_heads;
  work.take_keys(kv, tile);
  for (i64 h = kv * group; h < (kv + 1) * group; ++h) {
    for (i64 i = tile; i < tiles_of(a); ++i) {
      if (first_key_tile(a.shape, i * kAttentionTile) > tile) break;
      work.take_queries(h, i);
      work.compute();
      work.add_to_keys(h == kv * group && i == tile);
    }
  }
}

void attention_backward_queries(const AttentionBackwardArgs& a, i64 h, i64 tile, float* memory) {
  Backward work(a, memory);
  work.take_queries(h, tile);
  const i64 first = first_key_tile(a.shape, tile * kAttentionTile);
  for (i64 j = first; j <= tile; ++j) {
    work.take_keys(h / (a.shape.heads / a.shape.kv_heads), j);
    work.compute();
    work.add_to_queries(j == first);
  }
}

}  // namespace mft::kernels::MFT_ISA
