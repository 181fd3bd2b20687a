// Small configurations, reproducible values and packs of them in a folder of the test's own. Tests only.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/test_folder.h"
#include "base/threads.h"
#include "models/config.h"
#include "models/model.h"
#include "store/segment_writer.h"
#include "store/segments.h"

namespace mft::models {

inline v1::ModelConfig gpt2_config(uint32_t vocab, uint32_t hidden, uint32_t heads, uint32_t layers,
                                   uint32_t positions) {
  v1::ModelConfig config;
  config.set_family("gpt2");
  config.set_vocab_size(vocab);
  config.set_hidden_size(hidden);
  config.set_num_layers(layers);
  config.set_num_heads(heads);
  config.set_num_kv_heads(heads);
  config.set_head_dim(hidden / heads);
  config.set_intermediate_size(4 * hidden);
  config.set_max_positions(positions);
  config.set_norm(v1::NORM_LAYER);
  config.set_norm_eps(1e-5f);
  config.set_activation(v1::ACTIVATION_GELU_TANH);
  config.set_position(v1::POSITION_LEARNED);
  config.set_qkv_bias(true);
  config.set_attention_out_bias(true);
  config.set_mlp_bias(true);
  config.set_tied_embeddings(true);
  return config;
}

// A batch of `rows` sequences of `length` tokens.
inline Batch rows_of(uint32_t rows, uint32_t length, const int32_t* tokens, const int32_t* targets) {
  static std::map<std::pair<uint32_t, uint32_t>, std::vector<uint32_t>> all;
  std::vector<uint32_t>& starts = all[{rows, length}];
  if (starts.empty()) {
    for (uint32_t row = 0; row <= rows; ++row) starts.push_back(row * length);
  }
  return {rows, starts.data(), tokens, targets};
}

// Writes a pack with the values that value_of(tensor) gives (a std::vector<float>) into folder.
template <typename ValueOf>
std::vector<store::SegmentFile> write_pack(const std::string& folder, const v1::ModelConfig& config,
                                           const ValueOf& value_of) {
  std::vector<store::SegmentFile> files;
  for (const v1::Segment& expected : expected_segments(config)) {
    std::vector<std::vector<float>> values;
    std::vector<store::NamedTensor> tensors;
    values.reserve(static_cast<size_t>(expected.tensors_size()));
    for (const v1::Tensor& tensor : expected.tensors()) {
      values.push_back(value_of(tensor));
      tensors.push_back(
          {tensor.name(), {tensor.shape().begin(), tensor.shape().end()}, values.back().data()});
    }
    const std::string path = folder + "/" + expected.name() + ".seg";
    files.push_back({store::write_segment(path, expected.name(), tensors), path});
  }
  return files;
}

// Reproducible values about `middle`, by a small generator (Knuth's MMIX constants).
inline std::vector<float> noise(uint64_t seed, uint64_t count, float width, float middle = 0) {
  std::vector<float> values(count);
  uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
  for (float& value : values) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    value = middle + width * (static_cast<float>(state >> 40) * 0x1p-23f - 1);
  }
  return values;
}

inline std::vector<v1::LoraTarget> lora_targets(const v1::ModelConfig& config,
                                                const std::vector<Module>& modules, uint32_t rank,
                                                float alpha) {
  std::vector<v1::LoraTarget> targets;
  for (uint32_t layer = 0; layer < config.num_layers(); ++layer) {
    for (const Module module : modules) {
      v1::LoraTarget& target = targets.emplace_back();
      target.set_tensor(module_tensor(layer, module, "weight"));
      target.set_row_end(static_cast<uint64_t>(module_size(config, module).out));
      target.set_r(rank);
      target.set_alpha(alpha);
    }
  }
  return targets;
}

}  // namespace mft::models
