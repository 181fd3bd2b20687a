// What the forward and the backward of attention share: tiles, scratch and the softmax of a row of scores.
// Queries and keys are cut into tiles of kAttentionTile, the same for every instruction set, because the
// online softmax and the sums over keys go tile by tile.
#pragma once

#include "kernels/attention.h"
#include "kernels/simd/dropout.h"
#include "kernels/simd/functions.h"
#include "kernels/simd/gemm_block.h"

namespace mft::kernels::MFT_ISA {

constexpr i64 kAttentionTile = 96;  // a multiple of every strip width
constexpr i64 kTileArea = kAttentionTile * kAttentionTile;
constexpr float kMinusInfinity = -__builtin_inff();

MFT_INLINE i64 smaller(i64 a, i64 b) { return a < b ? a : b; }
MFT_INLINE i64 larger(i64 a, i64 b) { return a > b ? a : b; }
MFT_INLINE i64 padded(i64 x, i64 unit) { return (x + unit - 1) / unit * unit; }

// Takes consecutive buffers of floats from a worker's scratch.
class ScratchFloats {
 public:
  explicit ScratchFloats(float* memory) : next_(memory) {}
  float* take(i64 count) {
    float* const buffer = next_;
    next_ += count;  // counts are multiples of 96
    return buffer;
  }

 private:
  float* next_;
};

// Keys of tile [key, key + keys) that query q sees: columns [begin, end), empty if end <= begin.
struct Seen {
  i64 begin, end;
};
MFT_INLINE Seen seen_keys(const AttentionShape& s, i64 q, i64 key, i64 keys) {
  const i64 oldest = s.window > 0 ? q - s.window + 1 : 0;
  return {larger(0, oldest - key), smaller(keys, q - key + 1)};
}

// The first key tile that any query from `q` on sees.
MFT_INLINE i64 first_key_tile(const AttentionShape& s, i64 q) {
  return s.window > 0 ? larger(0, q - s.window + 1) / kAttentionTile : 0;
}

// Scores outside `seen` become -infinity, up to the end of the last group of lanes; returns that end.
MFT_INLINE i64 mask_scores(float* scores, const Seen& seen) {
  const i64 end = padded(seen.end, kLanes);
  for (i64 j = 0; j < seen.begin; ++j) scores[j] = kMinusInfinity;
  for (i64 j = seen.end; j < end; ++j) scores[j] = kMinusInfinity;
  return end;
}

// Raw scores [0, end) become softcap * tanh(scale * score / softcap), up to the end of the last group of
// lanes.
MFT_INLINE void cap_scores(float* scores, i64 end, float scale, float softcap) {
  const Lanes inner = set(scale / softcap), outer = set(softcap);
  for (i64 j = 0; j < end; j += kLanes) store(mul(tanh(mul(load(scores + j), inner)), outer), scores + j);
}

// Multiplies probabilities [0, end) of query q by their dropout factors (reference: probability_index), and
// what follows up to the end of the last group of lanes. Args: AttentionForwardArgs or AttentionBackwardArgs.
template <class Args>
MFT_INLINE void drop(const Args& a, const DropoutFactors& dropout, i64 h, i64 q, i64 key, i64 end,
                     float* probabilities) {
  const i64 first = a.first_probability + (h * a.time + q) * padded(a.time, kLanes) + key;
  alignas(64) float factors[64];
  for (i64 j = 0; j < end; j += 64) {
    dropout.sixty_four(first + j, factors);
    for (i64 i = 0; i < smaller(64, padded(end - j, kLanes)); i += kLanes) {
      store(mul(load(probabilities + j + i), load(factors + i)), probabilities + j + i);
    }
  }
}

i64 attention_scratch(const AttentionShape& shape);
void attention_forward(const AttentionForwardArgs& args, i64 h, i64 tile, float* scratch);
void attention_backward(const AttentionBackwardArgs& args, i64 kv, float* scratch);
void attention_backward_keys(const AttentionBackwardArgs& args, i64 kv, i64 tile, float* scratch);
void attention_backward_queries(const AttentionBackwardArgs& args, i64 h, i64 tile, float* scratch);
void attention_delta(const AttentionBackwardArgs& args, i64 h, i64 tile);
void attention_decode(i64 length, i64 D, float scale, float softcap, const float* q, const float* keys,
                      const float* values, i64 ld, float* scores, float* out);

}  // namespace mft::kernels::MFT_ISA
