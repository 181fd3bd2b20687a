// Token and learned position embeddings, with their dropout.
#pragma once

#include "nn/pass.h"

namespace mft::nn {

struct Embedding {
  i64 channels = 0;                 // C
  i64 vocab = 0;                    // V
  i64 positions = 0;                // P; 0: no learned positions
  float scale = 1;                  // of the token embeddings
  kernels::Weights token_table;     // [V, C]
  kernels::Weights position_table;  // [P, C]
  float* d_tokens = nullptr;        // [V, C]
  float* d_positions = nullptr;     // [P, C]
};

// tokens, positions [N] -> y [N, C]. The caller has checked the ids. Saves nothing.
void embedding_forward(const Pass& pass, const Embedding& embedding, const int32_t* tokens,
                       const int32_t* positions, float* y);
// dy [N, C] is used up.
void embedding_backward(const Pass& pass, const Embedding& embedding, const int32_t* tokens,
                        const int32_t* positions, float* dy);

}  // namespace mft::nn
