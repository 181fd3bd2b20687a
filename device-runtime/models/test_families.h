// Small odd configurations of every family and of every mix of features that none of them has yet. Tests
// only.
#pragma once

#include <map>
#include <string>

#include "models/test_model.h"

namespace mft::models {

inline void set_sliding(v1::ModelConfig* config, uint32_t window, std::initializer_list<bool> layers) {
  config->set_sliding_window(window);
  config->clear_sliding_layers();
  for (const bool sliding : layers) config->add_sliding_layers(sliding);
  config->set_num_layers(static_cast<uint32_t>(layers.size()));
}

// No biases, a gated MLP, RMSNorm and RoPE: what the families after GPT-2 share. 61 tokens, 16 positions.
inline v1::ModelConfig modern_config(const char* family, uint32_t hidden, uint32_t heads, uint32_t kv_heads,
                                     uint32_t head_dim) {
  v1::ModelConfig config = gpt2_config(61, hidden, heads, 2, 16);
  config.set_family(family);
  config.set_num_kv_heads(kv_heads);
  config.set_head_dim(head_dim);
  config.set_norm(v1::NORM_RMS);
  config.set_norm_eps(1e-6f);
  config.set_activation(v1::ACTIVATION_SILU);
  config.set_gated_mlp(true);
  config.set_intermediate_size(33);
  config.set_qkv_bias(false);
  config.set_attention_out_bias(false);
  config.set_mlp_bias(false);
  config.set_position(v1::POSITION_ROPE);
  config.set_rope_theta(10000);
  return config;
}

inline v1::ModelConfig qwen2_config() {
  v1::ModelConfig config = modern_config("qwen2", 20, 7, 1, 6);
  config.set_qkv_bias(true);
  config.set_rope_theta(1000000);
  return config;
}

inline v1::ModelConfig llama_config() {
  v1::ModelConfig config = modern_config("llama", 24, 4, 2, 10);
  config.set_tied_embeddings(false);
  config.set_rope_theta(500000);
  v1::RopeScaling* scaling = config.mutable_rope_scaling();
  scaling->set_kind(v1::ROPE_SCALING_LLAMA3);
  scaling->set_factor(8);
  scaling->set_low_freq_factor(1);
  scaling->set_high_freq_factor(4);
  scaling->set_original_max_positions(20);
  return config;
}

inline v1::ModelConfig gemma3_config() {
  v1::ModelConfig config = modern_config("gemma3", 18, 2, 1, 12);
  config.set_norm(v1::NORM_RMS_PLUS_ONE);
  config.set_activation(v1::ACTIVATION_GELU_TANH);
  config.set_qk_norm(true);
  config.set_post_norms(true);
  config.set_embed_scale(4.25f);
  config.set_attention_scale(0.3f);
  config.set_rope_theta(1000000);
  config.set_rope_local_theta(10000);
  config.mutable_rope_scaling()->set_kind(v1::ROPE_SCALING_LINEAR);
  config.mutable_rope_scaling()->set_factor(8);
  set_sliding(&config, 4, {true, false, true});
  return config;
}

inline std::map<std::string, v1::ModelConfig> family_configs() {
  std::map<std::string, v1::ModelConfig> all;
  all["gpt2"] = gpt2_config(61, 20, 4, 2, 16);
  all["qwen2"] = qwen2_config();
  all["llama"] = llama_config();
  all["gemma3"] = gemma3_config();

  v1::ModelConfig config = gpt2_config(61, 20, 4, 2, 16);
  config.set_num_kv_heads(2);
  config.set_head_dim(7);  // 4 * 7 is not 20
  config.set_norm(v1::NORM_RMS);
  config.set_activation(v1::ACTIVATION_SILU);
  config.set_gated_mlp(true);
  config.set_intermediate_size(33);
  config.set_attention_out_bias(false);
  config.set_mlp_bias(false);
  config.set_tied_embeddings(false);
  config.set_embed_scale(0.5f);
  all["learned positions, gated, grouped, untied"] = config;

  config = modern_config("gemma2", 20, 4, 2, 8);  // as Gemma 2: caps, and sliding layers with the one base
  config.set_norm(v1::NORM_RMS_PLUS_ONE);
  config.set_activation(v1::ACTIVATION_GELU_TANH);
  config.set_post_norms(true);
  config.set_attention_softcap(1.5f);
  config.set_logit_softcap(3);
  set_sliding(&config, 5, {true, false});
  all["soft caps"] = config;

  config = modern_config("qwen3", 20, 2, 2, 8);
  config.set_qk_norm(true);
  config.set_gated_mlp(false);
  config.set_mlp_bias(true);
  config.set_attention_out_bias(true);
  config.set_tied_embeddings(false);
  all["q/k norm, plain MLP with biases"] = config;

  config = modern_config("llama", 20, 2, 1, 8);
  config.set_norm(v1::NORM_LAYER);
  config.set_qkv_bias(true);
  config.mutable_rope_scaling()->set_kind(v1::ROPE_SCALING_LINEAR);
  config.mutable_rope_scaling()->set_factor(3);
  set_sliding(&config, 1, {true, true});  // a token sees itself alone
  all["layer norm, RoPE, window of one"] = config;
  return all;
}

// Reproducible weights: noise about 1 for norms' weights that multiply as they are, about 0 for all others.
inline std::vector<float> family_values(const v1::ModelConfig& config, const v1::Tensor& tensor,
                                        uint64_t seed) {
  uint64_t count = 1;
  for (const uint64_t size : tensor.shape()) count *= size;
  const bool norm = tensor.name().ends_with("norm.weight") && config.norm() != v1::NORM_RMS_PLUS_ONE;
  return noise(seed, count, 0.4f, norm ? 1.0f : 0.0f);
}

}  // namespace mft::models
