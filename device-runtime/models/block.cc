#include "models/block.h"

#include "nn/residual.h"

namespace mft::models {

void block_forward(const nn::Pass& pass, const Block& block, const BlockActivations& saved,
                   const nn::KeyValueCache* cache, float* y) {
  const i64 rows = pass.rows();
  nn::norm_forward(pass, block.attn_norm, rows, saved.x, saved.attn_normed, saved.attn_norm);
  nn::linear_forward(pass, block.qkv, rows, saved.attn_normed, nullptr, saved.qkv);
  if (cache != nullptr) nn::cache_keys_values(block.attention, rows, saved.qkv, *cache);
  if (cache != nullptr && cache->length > 0) {
    nn::attention_next(pass, block.attention, saved.qkv, *cache, saved.attended);
  } else {
    nn::attention_forward(pass, block.attention, saved.qkv, saved.attended, saved.logsumexp);
  }
  nn::residual_forward(pass, block.out, nn::Site::kAttentionOut, rows, saved.attended, saved.x, saved.mid);

  nn::norm_forward(pass, block.mlp_norm, rows, saved.mid, saved.mlp_normed, saved.mlp_norm);
  nn::linear_forward(pass, block.up, rows, saved.mlp_normed, nullptr, saved.up);
  nn::mlp_activation_forward(pass, block.activation, rows, saved.up, saved.activated);
  nn::residual_forward(pass, block.down, nn::Site::kMlpOut, rows, saved.activated, saved.mid, y);
}

void block_backward(const nn::Pass& pass, const Block& block, const BlockActivations& saved,
                    const BlockGradients& gradients, Stage lowest, float* d_x) {
  const i64 rows = pass.rows();
  const auto below = [lowest](Stage part, float* dx) { return lowest < part ? dx : nullptr; };

  nn::residual_backward(pass, block.down, nn::Site::kMlpOut, rows, saved.activated, d_x,
                        below(Stage::kDown, gradients.inner));
  if (lowest >= Stage::kDown) return;
  nn::mlp_activation_backward(pass, block.activation, rows, saved.up, gradients.inner, gradients.wide);
  nn::linear_backward(pass, block.up, rows, saved.mlp_normed, gradients.wide,
                      below(Stage::kUp, gradients.narrow));
  if (lowest >= Stage::kUp) return;
  nn::norm_backward(pass, block.mlp_norm, rows, gradients.narrow, saved.mid, saved.mlp_norm, 1, d_x);
  if (lowest >= Stage::kMlpNorm) return;

  nn::residual_backward(pass, block.out, nn::Site::kAttentionOut, rows, saved.attended, d_x,
                        below(Stage::kOut, gradients.narrow));
  if (lowest >= Stage::kOut) return;
  nn::attention_backward(pass, block.attention, saved.qkv, saved.attended, saved.logsumexp, gradients.narrow,
                         gradients.wide);
  nn::linear_backward(pass, block.qkv, rows, saved.attn_normed, gradients.wide,
                      below(Stage::kQkv, gradients.narrow));
  if (lowest >= Stage::kQkv) return;
  nn::norm_backward(pass, block.attn_norm, rows, gradients.narrow, saved.x, saved.attn_norm, 1, d_x);
}

}  // namespace mft::models
