#include "store/segments.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/test_folder.h"
#include "store/segment_writer.h"

namespace mft::store {
namespace {

template <typename Call>
std::string code_of(Call call) {
  try {
    call();
  } catch (const Failure& failure) {
    return failure.code();
  }
  return "";
}

class SegmentsTest : public testing::Test {
 protected:
  SegmentsTest() : path_(folder_ / "block.0.seg"), weight_(35), bias_(40001) {
    std::iota(weight_.begin(), weight_.end(), 1.0f);
    std::iota(bias_.begin(), bias_.end(), -7.0f);
    const NamedTensor tensors[] = {{"w", {5, 7}, weight_.data()}, {"b", {40001}, bias_.data()}};
    description_ = write_segment(path_, "block.0", tensors);
  }

  TestFolder folder_;
  std::string path_;
  std::vector<float> weight_, bias_;
  v1::Segment description_;
};

TEST_F(SegmentsTest, WritesWhatItDescribes) {
  EXPECT_EQ(description_.name(), "block.0");
  EXPECT_EQ(description_.bytes(), 3u * 65536);
  EXPECT_EQ(description_.bytes(), stat_path(path_)->bytes);
  EXPECT_EQ(description_.tensors(1).offset(), 192u);
  EXPECT_EQ(description_.sha256(), to_bytes(sha256(read_all(path_, 1 << 20))));
}

TEST_F(SegmentsTest, ReadsBothResidencies) {
  for (const Residency residency : {Residency::kMapped, Residency::kPrivate}) {
    const auto segments = Segments::open({{description_, path_}}, residency);
    ASSERT_EQ(segments->count(), 1u);
    EXPECT_EQ(segments->index_of("block.0"), 0u);
    segments->prefetch(0);
    const Pin pin = segments->pin(0);
    EXPECT_EQ(std::memcmp(pin.f32("w", {5, 7}), weight_.data(), 35 * 4), 0);
    EXPECT_EQ(std::memcmp(pin.f32("b", {40001}), bias_.data(), 40001 * 4), 0);
    EXPECT_EQ(code_of([&] { pin.f32("x", {5, 7}); }), "model.tensor-missing");
    EXPECT_EQ(code_of([&] { pin.f32("w", {7, 5}); }), "model.tensor-shape");
    EXPECT_EQ(code_of([&] { pin.f32("w", {35}); }), "model.tensor-shape");
    EXPECT_EQ(code_of([&] {
                pin.writable_f32("w", {5, 7});
              }),
              residency == Residency::kMapped ? "store.read-only" : "");
    EXPECT_EQ(code_of([&] { segments->index_of("block.1"); }), "model.segment-missing");
  }
}

TEST_F(SegmentsTest, WritesToPrivateMemoryStayPrivate) {
  const auto segments = Segments::open({{description_, path_}}, Residency::kPrivate);
  segments->pin(0).writable_f32("w", {5, 7})[3] = 1000;
  EXPECT_EQ(segments->pin(0).f32("w", {5, 7})[3], 1000);
  EXPECT_EQ(code_of([&] { verify_segment({description_, path_}); }), "");
}

TEST_F(SegmentsTest, ZeroedHasTheSameTensors) {
  const auto segments = Segments::zeroed(std::span(&description_, 1));
  const Pin pin = segments->pin(0);
  const float* values = pin.writable_f32("b", {40001});
  for (int i = 0; i < 40001; ++i) ASSERT_EQ(values[i], 0.0f);
}

TEST_F(SegmentsTest, FindsDamage) {
  File file = File::open_update(path_);
  const float other = -3;
  file.write_at(&other, 4, 8);
  EXPECT_EQ(code_of([&] { verify_segment({description_, path_}); }), "model.segment-hash");
  file.truncate(65536);
  EXPECT_EQ(code_of([&] { verify_segment({description_, path_}); }), "model.segment-size");
  EXPECT_EQ(code_of([&] {
              Segments::open({{description_, path_}}, Residency::kMapped);
            }),
            "model.segment-size");
  EXPECT_EQ(code_of([&] {
              Segments::open({{description_, path_}}, Residency::kPrivate);
            }),
            "model.segment-size");
}

TEST_F(SegmentsTest, RefusesTheSameSegmentTwiceAndMissingFiles) {
  EXPECT_EQ(code_of([&] {
              Segments::open({{description_, path_}, {description_, path_}}, Residency::kMapped);
            }),
            "model.segment-duplicate");
  EXPECT_EQ(code_of([&] {
              Segments::open({{description_, path_ + "x"}}, Residency::kMapped);
            }),
            "io.not-found");
}

TEST_F(SegmentsTest, OtherTypesAreNotReadAsF32) {
  const std::vector<uint16_t> halves(8, 0x3f80);
  const NamedTensor tensors[] = {{"h", {8}, halves.data(), v1::DTYPE_BF16}};
  const v1::Segment description = write_segment(folder_ / "h", "h", tensors);
  const auto segments = Segments::open({{description, folder_ / "h"}}, Residency::kMapped);
  EXPECT_EQ(code_of([&] { segments->pin(0).f32("h", {8}); }), "model.dtype-unsupported");
}

// Full fine-tuning of a model that is stored in halves.
TEST_F(SegmentsTest, PrivateHalvesBecomeF32) {
  const uint16_t bf16[] = {0x3f80, 0xc049, 0x0001, 0xff80};             // 1, -3.140625, 2^-133, -infinity
  // 1, -3.140625, the least and the greatest subnormal, infinity, the least normal value
  const uint16_t f16[] = {0x3c00, 0xc248, 0x0001, 0x83ff, 0x7c00, 0x0400};
  const NamedTensor tensors[] = {{"b", {2, 2}, bf16, v1::DTYPE_BF16}, {"w", {5, 7}, weight_.data()},
                                 {"h", {6}, f16, v1::DTYPE_F16}};
  const v1::Segment description = write_segment(folder_ / "h", "h", tensors);
  const auto segments = Segments::open({{description, folder_ / "h"}}, Residency::kPrivate);
  const Pin pin = segments->pin(0);
  const float* b = pin.writable_f32("b", {2, 2});
  const float expected_b[] = {1, -3.140625f, 0x1p-133f, -INFINITY};
  for (int i = 0; i < 4; ++i) EXPECT_EQ(b[i], expected_b[i]) << i;
  const float* h = pin.writable_f32("h", {6});
  const float expected_h[] = {1, -3.140625f, 0x1p-24f, -1023 * 0x1p-24f, INFINITY, 0x1p-14f};
  for (int i = 0; i < 6; ++i) EXPECT_EQ(h[i], expected_h[i]) << i;
  EXPECT_EQ(std::memcmp(pin.f32("w", {5, 7}), weight_.data(), 35 * 4), 0);
  EXPECT_EQ(segments->description(0).tensors(0).bytes(), 16u);

  // More than a piece at a time.
  std::vector<uint16_t> many(700001);
  for (size_t i = 0; i < many.size(); ++i) many[i] = static_cast<uint16_t>(i % 0x7f80);
  const NamedTensor large[] = {{"m", {700001}, many.data(), v1::DTYPE_BF16}};
  const v1::Segment other = write_segment(folder_ / "m", "m", large);
  const auto widened = Segments::open({{other, folder_ / "m"}}, Residency::kPrivate);
  const float* m = widened->pin(0).f32("m", {700001});
  for (size_t i = 0; i < many.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(m[i]), uint32_t{many[i]} << 16) << i;
  }
}

TEST_F(SegmentsTest, BlocksAreForReading) {
  const std::vector<char> rows(3 * 36);  // [3, 5]: a block of 32 and a scale, padded to 4 bytes
  const NamedTensor tensors[] = {{"q", {3, 5}, rows.data(), v1::DTYPE_I8_BLOCK32}};
  const v1::Segment description = write_segment(folder_ / "q", "q", tensors);
  EXPECT_EQ(description.tensors(0).bytes(), rows.size());
  EXPECT_NO_THROW(Segments::open({{description, folder_ / "q"}}, Residency::kMapped));
  EXPECT_EQ(code_of([&] { Segments::open({{description, folder_ / "q"}}, Residency::kPrivate); }),
            "store.read-only");
}

TEST_F(SegmentsTest, NeverWritesTwoTensorsOfOneName) {
  const NamedTensor tensors[] = {{"w", {5, 7}, weight_.data()}, {"w", {5, 7}, weight_.data()}};
  EXPECT_EQ(code_of([&] { write_segment(folder_ / "x", "x", tensors); }), "model.tensor-duplicate");
}

}  // namespace
}  // namespace mft::store
