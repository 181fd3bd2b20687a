// Rotary position embedding (Su et al., RoFormer) in the half-split form of Llama, Qwen2 and Gemma.
#pragma once

#include "base/threads.h"
#include "kernels/types.h"

namespace mft::kernels {

// Frequency i is base^(-2i/D), changed for contexts longer than the model was first trained with as
// transformers' modeling_rope_utils.py does.
struct RopeFrequencies {
  enum class Scaling : std::uint8_t {
    kNone,
    kLinear,  // divided by factor
    // Wavelengths above original_positions / low_factor are divided by factor, those below original_positions
    // / high_factor kept, between them linear in original_positions / wavelength.
    kLlama3,
  };
  double base = 10000.0;
  Scaling scaling = Scaling::kNone;
  double factor = 1.0;
  double low_factor = 1.0, high_factor = 4.0;  // kLlama3
  double original_positions = 0.0;             // kLlama3
};

// table [T, D]: cos of the D/2 angles, then their sin; angle i of position t is t * frequency i, which must
// stay below 1e6 (kernels/math.h).
void rope_table(i64 T, i64 D, const RopeFrequencies& frequencies, float* table);

// x [N, heads * D] with row distance ld, rotated in place; row n is at position positions[n] (null: n % T).
// inverse turns back: the backward of the rotation applied to the gradient.
void rope(ThreadPool& pool, i64 N, i64 heads, i64 D, i64 T, const float* table, const std::int32_t* positions,
          bool inverse, float* x, i64 ld);

}  // namespace mft::kernels
