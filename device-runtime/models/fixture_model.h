// A fixture's model (test/fixtures/FAMILY/CASE.bin, by scripts/oracle/oracle.py) as a pack in a folder of the test's
// own, opened. Tests only.
#pragma once

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/test_folder.h"
#include "base/threads.h"
#include "mft/v1/run.pb.h"
#include "models/fixture.h"
#include "models/model.h"
#include "models/test_model.h"
#include "store/segment_writer.h"
#include "store/segments.h"

namespace mft::models {

inline constexpr const char* kFamilies[] = {"gpt2", "qwen2", "qwen3", "llama", "gemma3"};

// "FAMILY/CASE" of every fixture of a family, sorted.
inline std::vector<std::string> fixtures_of(const std::string& family) {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(std::string(MFT_FIXTURES) + "/" + family)) {
    names.push_back(family + "/" + file.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// One fixture, opened as often as a test likes.
class FixtureModel {
 public:
  // name: "FAMILY/CASE".
  explicit FixtureModel(const std::string& name)
      : fixture(std::string(MFT_FIXTURES) + "/" + name + ".bin") {
    if (!config.ParseFromString(fixture["config"].text)) throw Failure("test.fixture", name + ": config");
    rows = static_cast<uint32_t>(fixture["batch"].ints[0]);
    length = static_cast<uint32_t>(fixture["batch"].ints[1]);
    files = write_pack(folder_.path(), config,
                        [&](const v1::Tensor& tensor) { return fixture["weight/" + tensor.name()].floats; });
  }

  Batch batch() const {
    return rows_of(rows, length, fixture["tokens"].ints.data(), fixture["targets"].ints.data());
  }
  // Micro-batch `index` of the training data.
  Batch training_batch(uint32_t index) const {
    const size_t at = size_t{index} * rows * length;
    return rows_of(rows, length, fixture["train/tokens"].ints.data() + at,
                   fixture["train/targets"].ints.data() + at);
  }
  static uint64_t labels(const Batch& batch) {
    uint64_t labels = 0;
    for (uint32_t i = 0; i < batch.starts[batch.sequences]; ++i) labels += batch.targets[i] != kNoLabel;
    return labels;
  }

  // The names of the oracle's LoRA sets, and what each adapts.
  std::vector<std::string> lora_sets() const {
    std::vector<std::string> sets;
    for (const auto& [name, tensor] : fixture.below("lora_")) {
      if (name.ends_with("/targets")) sets.push_back(name.substr(0, name.size() - 8));
    }
    return sets;
  }
  std::vector<v1::LoraTarget> targets(const std::string& lora) const {
    v1::LoraConfig parsed;
    if (!parsed.ParseFromString(fixture["lora_" + lora + "/targets"].text)) {
      throw Failure("test.fixture", lora + ": targets");
    }
    return {parsed.targets().begin(), parsed.targets().end()};
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
    options.max_tokens = rows * length;
    options.max_length = length;
    options.adapter_dropout = adapter_dropout;
    if (!lora.empty()) options.adapters = targets(lora);
    Opened opened;
    opened.pool = std::make_unique<ThreadPool>(
        threads, ThreadPool::Options{.pin = false, .cpus = {}, .reserve_first_tile = true});
    opened.segments = store::Segments::open(
        files, method == Method::kFull ? store::Residency::kPrivate : store::Residency::kMapped);
    opened.model = Model::open(config, *opened.segments, options, *opened.pool);
    if (!lora.empty()) load_adapter(*opened.model, lora);
    return opened;
  }

  Fixture fixture;
  v1::ModelConfig config;
  uint32_t rows = 0;
  uint32_t length = 0;
  std::vector<store::SegmentFile> files;  // the pack, as f32; a test may give others

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
};

}  // namespace mft::models
