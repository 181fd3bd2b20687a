#include "models/rotary.h"

#include "kernels/rope.h"

namespace mft::models {
namespace {

using kernels::RopeFrequencies;

RopeFrequencies full_frequencies(const v1::ModelConfig& config) {
  const v1::RopeScaling& scaling = config.rope_scaling();
  RopeFrequencies frequencies{.base = static_cast<double>(config.rope_theta())};
  if (scaling.kind() == v1::ROPE_SCALING_NONE) return frequencies;
  frequencies.factor = static_cast<double>(scaling.factor());
  frequencies.scaling = RopeFrequencies::Scaling::kLinear;
  if (scaling.kind() == v1::ROPE_SCALING_LLAMA3) {
    frequencies.scaling = RopeFrequencies::Scaling::kLlama3;
    frequencies.low_factor = static_cast<double>(scaling.low_freq_factor());
    frequencies.high_factor = static_cast<double>(scaling.high_freq_factor());
    frequencies.original_positions = scaling.original_max_positions();
  }
  return frequencies;
}

// A sliding layer that exists, with a base of its own.
bool has_local_base(const v1::ModelConfig& config) {
  if (config.rope_local_theta() == 0) return false;
  for (const bool sliding : config.sliding_layers()) {
    if (sliding) return true;
  }
  return false;
}

}  // namespace

bool slides(const v1::ModelConfig& config, uint32_t layer) {
  return config.sliding_layers_size() > 0 && config.sliding_layers(static_cast<int>(layer));
}

i64 rope_table_elements(const v1::ModelConfig& config, i64 positions) {
  if (config.position() != v1::POSITION_ROPE) return 0;
  return positions * config.head_dim() * (has_local_base(config) ? 2 : 1);
}

RopeTables make_rope_tables(const v1::ModelConfig& config, i64 positions, float* memory) {
  if (config.position() != v1::POSITION_ROPE || memory == nullptr) return {};
  const i64 head_dim = config.head_dim();
  kernels::rope_table(positions, head_dim, full_frequencies(config), memory);
  if (!has_local_base(config)) return {memory, memory, positions};
  float* const sliding = memory + positions * head_dim;
  kernels::rope_table(positions, head_dim, {.base = static_cast<double>(config.rope_local_theta())}, sliding);
  return {memory, sliding, positions};
}

}  // namespace mft::models
