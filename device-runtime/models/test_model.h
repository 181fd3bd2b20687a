// A fixture's model (test/fixtures/gpt2/*.bin, by scripts/oracle/gpt2.py) as a pack in a folder of the test's
// own, opened. Tests only.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "base/test_folder.h"
#include "base/threads.h"
#include "models/config.h"
#include "models/fixture.h"
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

// One fixture, opened as often as a test likes.
class FixtureModel {
 public:
  explicit FixtureModel(const std::string& name)
      : fixture(std::string(MFT_FIXTURES) + "/gpt2/" + name + ".bin") {
    const std::vector<int32_t>& c = fixture["config"].ints;
    const auto at = [&](size_t i) { return static_cast<uint32_t>(c[i]); };
    config = gpt2_config(at(0), at(1), at(2), at(3), at(4));
    rows = at(5);
    length = at(6);
    files_ = write_pack(folder_.path(), config,
                        [&](const v1::Tensor& tensor) { return fixture["weight/" + tensor.name()].floats; });
  }

  Batch batch() const {
    return {rows, length, fixture["tokens"].ints.data(), fixture["targets"].ints.data()};
  }
  // Micro-batch `index` of the training data.
  Batch training_batch(uint32_t index) const {
    const size_t at = size_t{index} * rows * length;
    return {rows, length, fixture["train/tokens"].ints.data() + at,
            fixture["train/targets"].ints.data() + at};
  }
  static uint64_t labels(const Batch& batch) {
    uint64_t labels = 0;
    for (uint32_t i = 0; i < batch.rows * batch.length; ++i) labels += batch.targets[i] != kNoLabel;
    return labels;
  }

  struct Opened {
    std::unique_ptr<ThreadPool> pool;
    std::unique_ptr<store::Segments> segments;
    std::unique_ptr<Model> model;
  };
  // lora: "" for none, else one of the oracle's sets, with the adapter values of the fixture.
  Opened open(Method method, const std::string& lora = "", int threads = 1, float adapter_dropout = 0) const {
    ModelOptions options;
    options.method = method;
    options.max_rows = rows;
    options.max_length = length;
    options.adapter_dropout = adapter_dropout;
    if (!lora.empty()) options.adapters = lora_targets(config, modules(lora), rank(), alpha());
    Opened opened;
    opened.pool = std::make_unique<ThreadPool>(
        threads, ThreadPool::Options{.pin = false, .cpus = {}, .reserve_first_tile = true});
    opened.segments = store::Segments::open(
        files_, method == Method::kFull ? store::Residency::kPrivate : store::Residency::kMapped);
    opened.model = Model::open(config, *opened.segments, options, *opened.pool);
    if (!lora.empty()) load_adapter(*opened.model, lora);
    return opened;
  }

  static std::vector<Module> modules(const std::string& lora) {
    if (lora == "attn") return {Module::kQkv};
    if (lora == "attn_proj") return {Module::kQkv, Module::kOut};
    return {Module::kQkv, Module::kOut, Module::kUp, Module::kDown};
  }
  uint32_t rank() const { return static_cast<uint32_t>(fixture["lora"].floats[0]); }
  float alpha() const { return fixture["lora"].floats[1]; }

  Fixture fixture;
  v1::ModelConfig config;
  uint32_t rows = 0;
  uint32_t length = 0;

 private:
  void load_adapter(Model& model, const std::string& lora) const {
    const auto values = fixture.below("lora_" + lora + "/value/");
    std::vector<store::NamedTensor> tensors;
    for (const auto& [name, tensor] : values) tensors.push_back({name, tensor.shape, tensor.floats.data()});
    const std::string path = folder_ / ("adapter_" + lora + ".seg");
    const auto segments = store::Segments::open({{store::write_segment(path, "adapter", tensors), path}},
                                                store::Residency::kMapped);
    model.load_adapter(segments->pin(0));
  }

  TestFolder folder_;
  std::vector<store::SegmentFile> files_;
};

}  // namespace mft::models
