// What a configuration means for the decoder: sizes, and the tensors that its segments must have.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mft/v1/model.pb.h"
#include "nn/attention.h"
#include "nn/mlp.h"
#include "nn/norm.h"

namespace mft::models {

using kernels::i64;

// Element counts, from a configuration that check_config has passed.
struct Sizes {
  explicit Sizes(const v1::ModelConfig& config);
  i64 vocab, hidden, layers, positions;
  nn::Attention attention;  // without the window, which depends on the layer
  nn::MlpActivation mlp;
  nn::NormKind norm;
  float norm_eps;
  bool qk_norm, post_norms;
};

// The four linear layers of a block, in this order everywhere (dropout sites depend on it).
enum class Module : uint32_t { kQkv = 0, kOut = 1, kUp = 2, kDown = 3 };
inline constexpr int kModules = 4;

// "blocks.3.attn.qkv.weight" ...; suffix: "weight" or "bias".
std::string block_tensor(uint32_t layer, const std::string& rest);
std::string module_tensor(uint32_t layer, Module module, const char* suffix);

struct ModuleSize {
  i64 out = 0;
  i64 in = 0;
  bool bias = false;
};
ModuleSize module_size(const v1::ModelConfig& config, Module module);

// Names and shapes of all segments in walking order: "embedding", "block.0" ..., "final". Laid out as f32.
std::vector<v1::Segment> expected_segments(const v1::ModelConfig& config);

}  // namespace mft::models
