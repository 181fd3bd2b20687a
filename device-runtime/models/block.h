// One transformer block: x + attention(norm(x)), then that + mlp(norm(that)) (pre-norm, as GPT-2 and all
// after it; Gemma norms what attention and MLP give, too).
#pragma once

#include "nn/attention.h"
#include "nn/linear.h"
#include "nn/mlp.h"
#include "nn/norm.h"
#include "nn/pass.h"
#include "nn/query_key.h"
#include "nn/residual.h"

namespace mft::models {

using kernels::i64;

struct Block {
  nn::Norm attn_norm;
  nn::Linear qkv;
  nn::QueryKey query_key;
  nn::Attention attention;
  nn::Linear out;
  nn::Norm attn_post_norm;  // weight null: none
  nn::Norm mlp_norm;
  nn::Linear up;
  nn::MlpActivation activation;
  nn::Linear down;
  nn::Norm mlp_post_norm;  // weight null: none
};

// What forward leaves for backward. Where backward does not read a value, the pointer is to memory that all
// blocks share. Without a backward pass x and mid are one buffer, the residual stream.
struct BlockActivations {
  float* x = nullptr;  // [N, C] the block's input
  nn::NormSaved attn_norm;
  float* attn_normed = nullptr;  // [N, C] read by backward if qkv or its adapters are trained
  float* qkv = nullptr;          // [N, (H + 2 Hkv) D]; rotated in place, unless a q/k norm comes before
  float* scored = nullptr;       // as qkv: behind q/k norm and rotation; qkv itself without that norm
  float* qk_rstd = nullptr;      // [N, H + Hkv] of the q/k norm
  float* attended = nullptr;     // [N, H D]
  float* logsumexp = nullptr;    // [N * H]
  nn::ResidualSaved attn_post;
  float* mid = nullptr;          // [N, C] between attention and MLP
  nn::NormSaved mlp_norm;
  float* mlp_normed = nullptr;  // [N, C] read by backward if up or its adapters are trained
  float* up = nullptr;          // [N, F] or [N, 2F]
  float* activated = nullptr;   // [N, F] read by backward if down or its adapters are trained
  nn::ResidualSaved mlp_post;
};

// Gradients on their way down; shared by all blocks.
struct BlockGradients {
  float* narrow = nullptr;  // [N, max(C, H D)]
  float* wide = nullptr;    // [N, max((H + 2 Hkv) D, width of up)]
  float* inner = nullptr;   // [N, F]; wide itself unless the MLP is gated
  // With a q/k norm its output is not kept but made again, here: [N, (H + 2 Hkv) D], [N, H + Hkv].
  float* scored = nullptr;
  float* qk_rstd = nullptr;
};

// The parts of a block from the bottom up: what backward stops at.
enum class Stage : uint8_t { kBelow, kAttnNorm, kQkv, kOut, kMlpNorm, kUp, kDown };

// How a block with a key-value cache attends: in tiles, or (one row) in the quickest way.
enum class CachedAttention : uint8_t { kTiles, kOneRow };

// saved.x [N, C] -> y [N, C], which may be saved.x. With a cache (one sequence): the rows' keys and values
// are added to it, and the rows attend to it.
void block_forward(const nn::Pass& pass, const Block& block, const BlockActivations& saved,
                   const nn::KeyValueCache* cache, CachedAttention cached, float* y);

// d_x [N, C]: the gradient of y comes in, that of x goes out. lowest: the lowest part with something trained
// in or below it; nothing under it is computed, and d_x is then of no use.
void block_backward(const nn::Pass& pass, const Block& block, const BlockActivations& saved,
                    const BlockGradients& gradients, Stage lowest, float* d_x);

}  // namespace mft::models
