// A base in other storage types gives, to the bit, what the same values give as f32: each tensor has a type
// of its own here, and training adapters, evaluation and generation read it.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/test_folder.h"
#include "base/threads.h"
#include "store/layout.h"
#include "models/test_families.h"

namespace mft::models {
namespace {

struct Stored {
  v1::DType dtype = v1::DTYPE_F32;
  std::vector<std::byte> bytes;
  std::vector<float> values;  // what the bytes stand for
};

// Values of matrices become multiples of 2^-7 (a scale that all types have) in [-1, 1): exact in every type
// but int4, which gets 2^-4.
Stored store_as(v1::DType dtype, const v1::Tensor& tensor, std::vector<float> values) {
  Stored stored{dtype, {}, std::move(values)};
  const bool small = dtype == v1::DTYPE_I4_BLOCK32, blocks = small || dtype == v1::DTYPE_I8_BLOCK32;
  const float scale = small ? 0x1p-4f : 0x1p-7f;
  const float most = small ? 7 : 127;
  for (float& v : stored.values) {
    v = std::clamp(std::nearbyintf(v / scale), -most - 1, most) * scale + 0.0f;  // no -0
  }
  v1::Tensor described = tensor;
  described.set_dtype(dtype);
  stored.bytes.resize(store::tensor_bytes(described));
  const size_t columns = tensor.shape(1);
  const auto put = [&](size_t at, auto value) {
    std::memcpy(stored.bytes.data() + at, &value, sizeof(value));
  };
  for (size_t i = 0; i < stored.values.size(); ++i) {
    const float value = stored.values[i];
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    const size_t row = i / columns * (stored.bytes.size() / tensor.shape(0)), c = i % columns;
    const auto q = static_cast<int>(value / scale);
    if (dtype == v1::DTYPE_F32) put(4 * i, value);
    if (dtype == v1::DTYPE_BF16) put(2 * i, static_cast<uint16_t>(bits >> 16));
    if (dtype == v1::DTYPE_F16) {  // normal values and zero alone
      const uint32_t half = (bits >> 16 & 0x8000) | ((bits >> 13 & 0x3ffff) - (112 << 10));
      put(2 * i, static_cast<uint16_t>(value == 0 ? 0 : half));
    }
    if (dtype == v1::DTYPE_I8_BLOCK32) put(row + c, static_cast<int8_t>(q));
    if (small) stored.bytes[row + c / 2] |= static_cast<std::byte>((q + 8) << (c % 2 * 4));
    if (blocks && c % 32 == 0) {
      const size_t scales = row + (columns + 31) / 32 * (small ? 16 : 32);
      put(scales + c / 32 * 2, static_cast<uint16_t>(small ? 11 << 10 : 8 << 10));  // 2^-4, 2^-7 as f16
    }
  }
  return stored;
}

// The family's pack twice: in mixed types, and in f32.
struct Packs {
  TestFolder stored_folder, f32_folder;
  std::vector<store::SegmentFile> stored, f32;

  // types: of matrices, in turn.
  Packs(const v1::ModelConfig& config, const std::vector<v1::DType>& types) {
    uint64_t seed = 0;
    for (const v1::Segment& expected : expected_segments(config)) {
      std::vector<Stored> values;
      std::vector<store::NamedTensor> as_stored, as_f32;
      values.reserve(static_cast<size_t>(expected.tensors_size()));
      for (const v1::Tensor& tensor : expected.tensors()) {
        std::vector<float> plain = family_values(config, tensor, ++seed);
        const std::vector<uint64_t> shape(tensor.shape().begin(), tensor.shape().end());
        const bool matrix = shape.size() == 2;
        values.push_back(matrix ? store_as(types[seed % types.size()], tensor, plain)
                                : Stored{v1::DTYPE_F32, {}, plain});
        const Stored& v = values.back();
        const void* data = matrix ? static_cast<const void*>(v.bytes.data()) : v.values.data();
        as_stored.push_back({tensor.name(), shape, data, v.dtype});
        as_f32.push_back({tensor.name(), shape, v.values.data()});
      }
      for (const bool is_stored : {true, false}) {
        const std::string path = (is_stored ? stored_folder : f32_folder) / (expected.name() + ".seg");
        auto& files = is_stored ? stored : f32;
        files.push_back({store::write_segment(path, expected.name(), is_stored ? as_stored : as_f32), path});
      }
    }
  }
};

const std::vector<int32_t> kTokens = {5, 60, 0, 17, 33, 2, 17, 44, 9, 58, 1};
const Batch kBatch = rows_of(1, 11, kTokens.data(), kTokens.data());

std::vector<float> outputs(const v1::ModelConfig& config, const std::vector<store::SegmentFile>& files) {
  ThreadPool pool(2);
  ModelOptions options;
  options.method = Method::kLora;
  options.max_tokens = options.max_length = 11;
  options.adapters = lora_targets(config, {Module::kQkv, Module::kOut, Module::kUp, Module::kDown}, 2, 4);
  const auto segments = store::Segments::open(files, store::Residency::kMapped);
  const auto model = Model::open(config, *segments, options, pool);
  for (const Parameter& p : model->parameters()) {
    std::copy_n(noise(3, p.elements, 0.3f).data(), p.elements, p.value);
  }
  std::vector<float> all = {static_cast<float>(model->forward_backward(kBatch, 1, 0, {}).sum)};
  for (const Parameter& p : model->parameters()) all.insert(all.end(), p.grad, p.grad + p.elements);
  model->begin_generation(11);
  model->prefill({kTokens.data(), 4});
  for (size_t t = 4; t < 11; ++t) {
    const std::span<const float> logits = model->next(kTokens[t]);
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

TEST(Storage, GivesTheBitsOfItsValuesAsF32) {
  for (const auto& [name, config] : family_configs()) {
    SCOPED_TRACE(name);
    const Packs packs(config,
                      {v1::DTYPE_I8_BLOCK32, v1::DTYPE_BF16, v1::DTYPE_I4_BLOCK32, v1::DTYPE_F16,
                       v1::DTYPE_F32});
    const std::vector<float> stored = outputs(config, packs.stored), f32 = outputs(config, packs.f32);
    ASSERT_EQ(stored.size(), f32.size());
    for (size_t i = 0; i < f32.size(); ++i) {
      ASSERT_TRUE(std::isfinite(f32[i]));
      ASSERT_EQ(std::bit_cast<uint32_t>(stored[i]), std::bit_cast<uint32_t>(f32[i])) << i;
    }
  }
}

// Halves become f32 weights that train; integers in blocks say that they can't.
TEST(Storage, FullFineTuningTakesFloats) {
  const v1::ModelConfig config = qwen2_config();
  const auto train = [&](const std::vector<store::SegmentFile>& files) {
    ThreadPool pool(1);
    ModelOptions options;
    options.method = Method::kFull;
    options.max_tokens = options.max_length = 11;
    const auto segments = store::Segments::open(files, store::Residency::kPrivate);
    const auto model = Model::open(config, *segments, options, pool);
    std::vector<float> all = {static_cast<float>(model->forward_backward(kBatch, 1, 0, {}).sum)};
    for (const Parameter& p : model->parameters()) {
      all.insert(all.end(), p.value, p.value + p.elements);
      all.insert(all.end(), p.grad, p.grad + p.elements);
    }
    return all;
  };
  const Packs halves(config, {v1::DTYPE_BF16, v1::DTYPE_F16});
  EXPECT_EQ(train(halves.stored), train(halves.f32));
  for (const v1::DType dtype : {v1::DTYPE_I8_BLOCK32, v1::DTYPE_I4_BLOCK32}) {
    const Packs blocks(config, {dtype});
    try {
      train(blocks.stored);
      ADD_FAILURE() << v1::DType_Name(dtype);
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.code(), "store.read-only");
    }
  }
}

}  // namespace
}  // namespace mft::models
