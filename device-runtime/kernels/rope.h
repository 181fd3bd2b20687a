// Rotary position embedding (Su et al., RoFormer) in the half-split form of Llama, Qwen2 and Gemma.
#pragma once

#include "base/threads.h"
#include "kernels/types.h"

namespace mft::kernels {

// table [T, D]: cos of the D/2 angles, then their sin; angle i of position t is t * base^(-2i/D) *
// position_scale.
void rope_table(i64 T, i64 D, double base, double position_scale, float* table);

// x [N, heads * D] with row distance ld, rotated in place; row n is at position positions[n] (null: n % T).
// inverse turns back: the backward of the rotation applied to the gradient.
void rope(ThreadPool& pool, i64 N, i64 heads, i64 D, i64 T, const float* table, const std::int32_t* positions,
          bool inverse, float* x, i64 ld);

}  // namespace mft::kernels
