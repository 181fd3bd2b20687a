#include "models/config.h"

#include <initializer_list>

#include "store/layout.h"

namespace mft::models {
namespace {

void add(v1::Segment* segment, const std::string& name, std::initializer_list<i64> shape) {
  v1::Tensor* tensor = segment->add_tensors();
  tensor->set_name(name);
  tensor->set_dtype(v1::DTYPE_F32);
  for (const i64 size : shape) tensor->add_shape(static_cast<uint64_t>(size));
}

void add_norm(v1::Segment* segment, const v1::ModelConfig& config, const std::string& name) {
  add(segment, name + ".weight", {config.hidden_size()});
  if (config.norm() == v1::NORM_LAYER) add(segment, name + ".bias", {config.hidden_size()});
}

// q and k norms and post norms are of RMS kinds: no bias.
void add_weight(v1::Segment* segment, uint32_t layer, const char* name, i64 size) {
  add(segment, block_tensor(layer, name), {size});
}

void add_module(v1::Segment* segment, const v1::ModelConfig& config, uint32_t layer, Module module) {
  const ModuleSize size = module_size(config, module);
  add(segment, module_tensor(layer, module, "weight"), {size.out, size.in});
  if (size.bias) add(segment, module_tensor(layer, module, "bias"), {size.out});
}

}  // namespace

Sizes::Sizes(const v1::ModelConfig& config)
    : vocab(config.vocab_size()),
      hidden(config.hidden_size()),
      layers(config.num_layers()),
      positions(config.max_positions()),
      norm(config.norm() == v1::NORM_LAYER          ? nn::NormKind::kLayer
           : config.norm() == v1::NORM_RMS_PLUS_ONE ? nn::NormKind::kRmsPlusOne
                                                    : nn::NormKind::kRms),
      norm_eps(config.norm_eps()),
      qk_norm(config.qk_norm()),
      post_norms(config.post_norms()) {
  attention.heads = config.num_heads();
  attention.kv_heads = config.num_kv_heads();
  attention.head_dim = config.head_dim();
  attention.scale = config.attention_scale() != 0
                        ? config.attention_scale()
                        : static_cast<float>(1 / __builtin_sqrt(static_cast<double>(config.head_dim())));
  attention.softcap = config.attention_softcap();
  mlp.kind = config.activation() == v1::ACTIVATION_SILU ? kernels::ActivationKind::kSilu
                                                        : kernels::ActivationKind::kGeluTanh;
  mlp.gated = config.gated_mlp();
  mlp.inner = config.intermediate_size();
}

std::string block_tensor(uint32_t layer, const std::string& rest) {
  return "blocks." + std::to_string(layer) + "." + rest;
}

std::string module_tensor(uint32_t layer, Module module, const char* suffix) {
  static constexpr const char* kNames[kModules] = {"attn.qkv.", "attn.out.", "mlp.up.", "mlp.down."};
  return block_tensor(layer, std::string(kNames[static_cast<int>(module)]) + suffix);
}

ModuleSize module_size(const v1::ModelConfig& config, Module module) {
  const Sizes sizes(config);
  switch (module) {
    case Module::kQkv:
      return {sizes.attention.qkv_width(), sizes.hidden, config.qkv_bias()};
    case Module::kOut:
      return {sizes.hidden, sizes.attention.width(), config.attention_out_bias()};
    case Module::kUp:
      return {sizes.mlp.up_width(), sizes.hidden, config.mlp_bias()};
    default:
      return {sizes.hidden, sizes.mlp.inner, config.mlp_bias()};
  }
}

std::vector<v1::Segment> expected_segments(const v1::ModelConfig& config) {
  std::vector<v1::Segment> segments(config.num_layers() + 2);
  v1::Segment& embedding = segments.front();
  embedding.set_name("embedding");
  add(&embedding, "embed.tokens", {config.vocab_size(), config.hidden_size()});
  if (config.position() == v1::POSITION_LEARNED) {
    add(&embedding, "embed.positions", {config.max_positions(), config.hidden_size()});
  }
  for (uint32_t layer = 0; layer < config.num_layers(); ++layer) {
    v1::Segment& block = segments[layer + 1];
    block.set_name("block." + std::to_string(layer));
    add_norm(&block, config, block_tensor(layer, "attn_norm"));
    add_module(&block, config, layer, Module::kQkv);
    if (config.qk_norm()) {
      add_weight(&block, layer, "attn.q_norm.weight", config.head_dim());
      add_weight(&block, layer, "attn.k_norm.weight", config.head_dim());
    }
    add_module(&block, config, layer, Module::kOut);
    if (config.post_norms()) add_weight(&block, layer, "attn_post_norm.weight", config.hidden_size());
    add_norm(&block, config, block_tensor(layer, "mlp_norm"));
    add_module(&block, config, layer, Module::kUp);
    add_module(&block, config, layer, Module::kDown);
    if (config.post_norms()) add_weight(&block, layer, "mlp_post_norm.weight", config.hidden_size());
  }
  v1::Segment& final = segments.back();
  final.set_name("final");
  add_norm(&final, config, "final_norm");
  if (!config.tied_embeddings()) add(&final, "lm_head.weight", {config.vocab_size(), config.hidden_size()});
  for (v1::Segment& segment : segments) store::lay_out(&segment);
  return segments;
}

}  // namespace mft::models
