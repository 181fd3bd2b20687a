// What of a configuration this decoder can run. Configurations come from packs and are untrusted: every field
// is looked at, and what is not understood is refused by name.
#include <cmath>
#include <string>

#include "base/error.h"
#include "models/model.h"

namespace mft::models {
namespace {

// Sizes that keep every product of two in 64 bits and every buffer plannable; no known model is near.
constexpr uint32_t kMaxSize = 1 << 24;
constexpr uint32_t kMaxLayers = 1 << 12;
constexpr uint32_t kMaxHeadDim = 256;             // of the attention kernels
constexpr uint32_t kMaxRopePositions = 1'000'000;  // angles are exact up to there (kernels/math.h)

[[noreturn]] void unsupported(const std::string& field, const std::string& value) {
  throw Failure("model.config-unsupported", "this runtime does not support " + field + " = " + value,
                "Use a model of a supported family, or a newer mft.");
}

[[noreturn]] void invalid(const std::string& field, const std::string& value, const std::string& rule) {
  throw Failure("model.config-invalid", field + " = " + value + " " + rule, "Import the model again.");
}

void check_size(const char* field, uint64_t value, uint64_t limit) {
  if (value < 1 || value > limit) {
    invalid(field, std::to_string(value), "is not in [1, " + std::to_string(limit) + "]");
  }
}

// Comparisons are written so that a NaN fails them.
void check_float(const char* field, float value, float above, float below) {
  if (!(value > above && value < below)) {
    invalid(field, std::to_string(value),
            "is not between " + std::to_string(above) + " and " + std::to_string(below));
  }
}
void check_optional(const char* field, float value) {
  if (value != 0) check_float(field, value, 0, 1e6f);
}

void check_sizes(const v1::ModelConfig& config) {
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
    invalid("num_heads", std::to_string(config.num_heads()),
            "is not a multiple of num_kv_heads = " + std::to_string(config.num_kv_heads()));
  }
}

void check_norms(const v1::ModelConfig& config) {
  check_float("norm_eps", config.norm_eps(), 0, 1);
  const bool rms = config.norm() == v1::NORM_RMS || config.norm() == v1::NORM_RMS_PLUS_ONE;
  if (!rms && config.norm() != v1::NORM_LAYER) {
    unsupported("norm", std::to_string(static_cast<int>(config.norm())));
  }
  if (config.qk_norm() && !rms) unsupported("qk_norm", "true with norm = NORM_LAYER");
  if (config.post_norms() && !rms) unsupported("post_norms", "true with norm = NORM_LAYER");
}

void check_rope_scaling(const v1::RopeScaling& scaling) {
  switch (scaling.kind()) {
    case v1::ROPE_SCALING_NONE:
      return;
    case v1::ROPE_SCALING_LLAMA3:
      check_float("rope_scaling.low_freq_factor", scaling.low_freq_factor(), 0, 1e6f);
      check_float("rope_scaling.high_freq_factor", scaling.high_freq_factor(), scaling.low_freq_factor(),
                  1e6f);
      check_size("rope_scaling.original_max_positions", scaling.original_max_positions(), kMaxSize);
      [[fallthrough]];
    case v1::ROPE_SCALING_LINEAR:
      if (!(scaling.factor() >= 1 && scaling.factor() < 1e6f)) {
        invalid("rope_scaling.factor", std::to_string(scaling.factor()), "is not at least 1");
      }
      return;
    default:
      unsupported("rope_scaling.kind", std::to_string(static_cast<int>(scaling.kind())));
  }
}

void check_positions(const v1::ModelConfig& config) {
  if (config.position() == v1::POSITION_LEARNED) {
    if (config.rope_theta() != 0) unsupported("rope_theta", "set with position = POSITION_LEARNED");
    if (config.rope_local_theta() != 0) {
      unsupported("rope_local_theta", "set with position = POSITION_LEARNED");
    }
    if (config.rope_scaling().kind() != v1::ROPE_SCALING_NONE) {
      unsupported("rope_scaling", "set with position = POSITION_LEARNED");
    }
    return;
  }
  if (config.position() != v1::POSITION_ROPE) {
    unsupported("position", std::to_string(static_cast<int>(config.position())));
  }
  if (config.head_dim() % 2 != 0) unsupported("head_dim", std::to_string(config.head_dim()) + " with RoPE");
  check_size("max_positions", config.max_positions(), kMaxRopePositions);
  check_float("rope_theta", config.rope_theta(), 1, 1e12f);
  if (config.rope_local_theta() != 0) check_float("rope_local_theta", config.rope_local_theta(), 1, 1e12f);
  check_rope_scaling(config.rope_scaling());
}

void check_window(const v1::ModelConfig& config) {
  if (config.sliding_layers_size() == 0) return;
  if (static_cast<uint32_t>(config.sliding_layers_size()) != config.num_layers()) {
    invalid("sliding_layers", std::to_string(config.sliding_layers_size()) + " entries",
            "are not one a layer (num_layers = " + std::to_string(config.num_layers()) + ")");
  }
  for (const bool sliding : config.sliding_layers()) {
    if (sliding) check_size("sliding_window", config.sliding_window(), kMaxSize);
  }
}

}  // namespace

void check_config(const v1::ModelConfig& config) {
  check_sizes(config);
  check_norms(config);
  if (config.activation() != v1::ACTIVATION_GELU_TANH && config.activation() != v1::ACTIVATION_SILU) {
    unsupported("activation", std::to_string(static_cast<int>(config.activation())));
  }
  check_positions(config);
  check_window(config);
  check_optional("embed_scale", config.embed_scale());
  check_optional("attention_scale", config.attention_scale());
  check_optional("attention_softcap", config.attention_softcap());
  check_optional("logit_softcap", config.logit_softcap());
}

}  // namespace mft::models
