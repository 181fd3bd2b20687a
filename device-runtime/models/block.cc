#include "models/block.h"

namespace mft::models {
namespace {

nn::Residual attention_end(const Block& block) {
  return {block.out, block.attn_post_norm, nn::Site::kAttentionOut};
}
nn::Residual mlp_end(const Block& block) { return {block.down, block.mlp_post_norm, nn::Site::kMlpOut}; }

}  // namespace

void block_forward(const nn::Pass& pass, const Block& block, const BlockActivations& saved,
                   const nn::KeyValueCache* cache, CachedAttention cached, float* y) {
  const i64 rows = pass.rows();
  nn::norm_forward(pass, block.attn_norm, rows, saved.x, saved.attn_normed, saved.attn_norm);
  nn::linear_forward(pass, block.qkv, rows, saved.attn_normed, nullptr, saved.qkv);
  if (block.query_key.normed() || block.query_key.turned()) {
    nn::query_key_forward(pass, block.attention, block.query_key, saved.qkv, saved.scored, saved.qk_rstd);
  }
  if (cache == nullptr) {
    nn::attention_forward(pass, block.attention, saved.scored, saved.attended, saved.logsumexp);
  } else {
    nn::cache_keys_values(block.attention, rows, saved.scored, *cache);
    if (cached == CachedAttention::kOneRow) {
      nn::attention_next(pass, block.attention, saved.scored, *cache, saved.attended);
    } else {
      nn::attention_append(pass, block.attention, rows, saved.scored, *cache, saved.attended);
    }
  }
  nn::residual_forward(pass, attention_end(block), rows, saved.attended, saved.x, saved.attn_post, saved.mid);

  nn::norm_forward(pass, block.mlp_norm, rows, saved.mid, saved.mlp_normed, saved.mlp_norm);
  nn::linear_forward(pass, block.up, rows, saved.mlp_normed, nullptr, saved.up);
  nn::mlp_activation_forward(pass, block.activation, rows, saved.up, saved.activated);
  nn::residual_forward(pass, mlp_end(block), rows, saved.activated, saved.mid, saved.mlp_post, y);
}

void block_backward(const nn::Pass& pass, const Block& block, const BlockActivations& saved,
                    const BlockGradients& gradients, Stage lowest, float* d_x) {
  const i64 rows = pass.rows();
  const auto below = [lowest](Stage part, float* dx) { return lowest < part ? dx : nullptr; };

  nn::residual_backward(pass, mlp_end(block), rows, saved.activated, saved.mlp_post, d_x,
                        below(Stage::kDown, gradients.inner));
  if (lowest >= Stage::kDown) return;
  nn::mlp_activation_backward(pass, block.activation, rows, saved.up, gradients.inner, gradients.wide);
  nn::linear_backward(pass, block.up, rows, saved.mlp_normed, gradients.wide,
                      below(Stage::kUp, gradients.narrow));
  if (lowest >= Stage::kUp) return;
  nn::norm_backward(pass, block.mlp_norm, rows, gradients.narrow, saved.mid, saved.mlp_norm, 1, d_x);
  if (lowest >= Stage::kMlpNorm) return;

  nn::residual_backward(pass, attention_end(block), rows, saved.attended, saved.attn_post, d_x,
                        below(Stage::kOut, gradients.narrow));
  if (lowest >= Stage::kOut) return;
  const float* scored = saved.qkv;
  if (block.query_key.normed()) {
    nn::query_key_forward(pass, block.attention, block.query_key, saved.qkv, gradients.scored,
                          gradients.qk_rstd);
    scored = gradients.scored;
  }
  nn::attention_backward(pass, block.attention, scored, saved.attended, saved.logsumexp, gradients.narrow,
                         gradients.wide);
  if (block.query_key.normed() || block.query_key.turned()) {
    nn::query_key_backward(pass, block.attention, block.query_key, saved.qkv, gradients.qk_rstd,
                           gradients.wide);
  }
  nn::linear_backward(pass, block.qkv, rows, saved.attn_normed, gradients.wide,
                      below(Stage::kQkv, gradients.narrow));
  if (lowest >= Stage::kQkv) return;
  nn::norm_backward(pass, block.attn_norm, rows, gradients.narrow, saved.x, saved.attn_norm, 1, d_x);
}

}  // namespace mft::models
