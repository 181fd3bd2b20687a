// Weights in GGUF's Q8_0 and Q4_0 against transformers in float64 on the values that their definition gives
// (test/fixtures/storage, by scripts/oracle): the storage is the only loss. What is quantised, and what the blocks
// mean, is the oracle's; the test only moves bytes into the rows of proto/mft/v1/model.proto.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "models/fixture_model.h"
#include "store/layout.h"

namespace mft::models {
namespace {

constexpr size_t kBlock = 32;

// A block of GGUF: its scale (f16), then 32 int8, or 16 bytes with value i low and value i + 16 high in byte i.
// Rows of ours: the values of all blocks, value 2i low and 2i + 1 high, then the scales.
std::string rows_of(const v1::Tensor& tensor, const std::string& gguf) {
  const bool wide = tensor.dtype() == v1::DTYPE_I8_BLOCK32;
  const size_t bytes = wide ? kBlock : kBlock / 2, blocks = tensor.shape(1) / kBlock;
  const size_t stride = store::tensor_bytes(tensor) / tensor.shape(0);
  std::string out(store::tensor_bytes(tensor), '\0');
  for (size_t row = 0; row < tensor.shape(0); ++row) {
    for (size_t block = 0; block < blocks; ++block) {
      const char* from = gguf.data() + (row * blocks + block) * (2 + bytes);
      char* values = out.data() + row * stride + block * bytes;
      std::memcpy(out.data() + row * stride + blocks * bytes + 2 * block, from, 2);
      for (size_t i = 0; i < bytes; ++i) {
        const auto value = [&](size_t k) { return from[2 + k % 16] >> (k / 16 * 4) & 15; };
        values[i] = wide ? from[2 + i] : static_cast<char>(value(2 * i) | value(2 * i + 1) << 4);
      }
    }
  }
  return out;
}

std::vector<store::SegmentFile> write_blocks(const FixtureModel& fixture, v1::DType dtype,
                                             const std::string& folder) {
  std::vector<store::SegmentFile> files;
  for (v1::Segment& expected : expected_segments(fixture.config)) {
    std::vector<std::string> rows;
    std::vector<store::NamedTensor> tensors;
    rows.reserve(static_cast<size_t>(expected.tensors_size()));
    for (v1::Tensor& tensor : *expected.mutable_tensors()) {
      const std::vector<uint64_t> shape(tensor.shape().begin(), tensor.shape().end());
      if (shape.size() != 2) {
        tensors.push_back({tensor.name(), shape, fixture.fixture["weight/" + tensor.name()].floats.data()});
        continue;
      }
      tensor.set_dtype(dtype);
      rows.push_back(rows_of(tensor, fixture.fixture["blocks/" + tensor.name()].text));
      tensors.push_back({tensor.name(), shape, rows.back().data(), dtype});
    }
    const std::string path = folder + "/" + expected.name() + ".seg";
    files.push_back({store::write_segment(path, expected.name(), tensors), path});
  }
  return files;
}

double relative_error(const std::vector<float>& values, const std::vector<float>& expected) {
  double error = 0, norm = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    error += std::pow(double{values[i]} - expected[i], 2);
    norm += std::pow(double{expected[i]}, 2);
  }
  return std::sqrt(error / norm);
}

void expect_only_the_storage_is_lost(const std::string& name, v1::DType dtype) {
  FixtureModel fixture(name);
  const TestFolder folder;
  fixture.files = write_blocks(fixture, dtype, folder.path());
  const auto opened = fixture.open(Method::kLora, "all");
  const std::vector<float>& expected = fixture.fixture["lora_all/logits"].floats;
  std::vector<float> logits(expected.size());
  opened.model->logits(fixture.batch(), logits.data());
  EXPECT_LE(relative_error(logits, expected), 1e-5);

  // Backwards the blocks are read in the other direction.
  const uint64_t labels = FixtureModel::labels(fixture.batch());
  opened.model->forward_backward(fixture.batch(), 1 / static_cast<float>(labels), 0, {});
  ASSERT_FALSE(opened.model->parameters().empty());
  for (const Parameter& parameter : opened.model->parameters()) {
    const std::vector<float> gradient(parameter.grad, parameter.grad + parameter.elements);
    EXPECT_LE(relative_error(gradient, fixture.fixture["lora_all/grad/" + parameter.name].floats), 1e-4)
        << parameter.name;
  }
}

TEST(StorageOracle, EightBits) { expect_only_the_storage_is_lost("storage/q8_0", v1::DTYPE_I8_BLOCK32); }
TEST(StorageOracle, FourBits) { expect_only_the_storage_is_lost("storage/q4_0", v1::DTYPE_I4_BLOCK32); }

}  // namespace
}  // namespace mft::models
