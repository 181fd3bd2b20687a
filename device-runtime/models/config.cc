#include "models/config.h"

#include <initializer_list>

#include "base/error.h"
#include "models/model.h"
#include "store/layout.h"

namespace mft::models {
namespace {

// Sizes that keep every product of two in 64 bits and every buffer plannable; no known model is near.
constexpr uint32_t kMaxSize = 1 << 24;
constexpr uint32_t kMaxLayers = 1 << 12;
constexpr uint32_t kMaxHeadDim = 256;  // of the attention kernels

[[noreturn]] void unsupported(const std::string& field, const std::string& value) {
  throw Failure("model.config-unsupported", "this runtime does not support " + field + " = " + value,
                "Use a model of a supported family, or a newer mft.");
}

void check_size(const char* field, uint64_t value, uint64_t limit) {
  if (value < 1 || value > limit) {
    throw Failure(
        "model.config-invalid",
        std::string(field) + " = " + std::to_string(value) + " is not in [1, " + std::to_string(limit) + "]",
        "Import the model again.");
  }
}

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
      norm_eps(config.norm_eps()) {
  attention.heads = config.num_heads();
  attention.kv_heads = config.num_kv_heads();
  attention.head_dim = config.head_dim();
  attention.scale = static_cast<float>(1 / __builtin_sqrt(static_cast<double>(config.head_dim())));
  mlp.kind = config.activation() == v1::ACTIVATION_SILU ? kernels::ActivationKind::kSilu
                                                        : kernels::ActivationKind::kGeluTanh;
  mlp.gated = config.gated_mlp();
  mlp.inner = config.intermediate_size();
}

void check_config(const v1::ModelConfig& config) {
  check_size("vocab_size", config.vocab_size(), kMaxSize);
  check_size("hidden_size", config.hidden_size(), kMaxSize);
  check_size("num_layers", config.num_layers(), kMaxLayers);
  check_size("num_heads", config.num_heads(), kMaxSize);
  check_size("num_kv_heads", config.num_kv_heads(), config.num_heads());
  check_size("head_dim", config.head_dim(), kMaxHeadDim);
  check_size("intermediate_size", config.intermediate_size(), kMaxSize);
  check_size("max_positions", config.max_positions(), kMaxSize);
  check_size("num_heads * head_dim", uint64_t{config.num_heads()} * config.head_dim(), kMaxSize);
  if (config.num_heads() % config.num_kv_heads() != 0) {
    throw Failure("model.config-invalid",
                  "num_heads = " + std::to_string(config.num_heads()) +
                      " is not a multiple of num_kv_heads = " + std::to_string(config.num_kv_heads()));
  }
  if (!(config.norm_eps() > 0 && config.norm_eps() < 1)) {
    throw Failure("model.config-invalid",
                  "norm_eps = " + std::to_string(config.norm_eps()) + " is not in (0, 1)");
  }
  switch (config.norm()) {
    case v1::NORM_LAYER:
    case v1::NORM_RMS:
    case v1::NORM_RMS_PLUS_ONE:
      break;
    default:
      unsupported("norm", std::to_string(static_cast<int>(config.norm())));
  }
  if (config.activation() != v1::ACTIVATION_GELU_TANH && config.activation() != v1::ACTIVATION_SILU) {
    unsupported("activation", std::to_string(static_cast<int>(config.activation())));
  }
  if (config.position() != v1::POSITION_LEARNED) {
    const bool rope = config.position() == v1::POSITION_ROPE;
    unsupported("position", rope ? "POSITION_ROPE" : std::to_string(static_cast<int>(config.position())));
  }
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
    add_module(&block, config, layer, Module::kOut);
    add_norm(&block, config, block_tensor(layer, "mlp_norm"));
    add_module(&block, config, layer, Module::kUp);
    add_module(&block, config, layer, Module::kDown);
  }
  v1::Segment& final = segments.back();
  final.set_name("final");
  add_norm(&final, config, "final_norm");
  if (!config.tied_embeddings()) add(&final, "lm_head.weight", {config.vocab_size(), config.hidden_size()});
  for (v1::Segment& segment : segments) store::lay_out(&segment);
  return segments;
}

}  // namespace mft::models
