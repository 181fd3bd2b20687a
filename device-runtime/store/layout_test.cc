#include "store/layout.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace mft::store {
namespace {

v1::Segment two_tensors() {
  v1::Segment segment;
  segment.set_name("final");
  for (const char* name : {"a", "b"}) {
    v1::Tensor* tensor = segment.add_tensors();
    tensor->set_name(name);
    tensor->set_dtype(v1::DTYPE_F32);
    tensor->add_shape(3);
    tensor->add_shape(7);
  }
  lay_out(&segment);
  return segment;
}

std::string code_of(const v1::Segment& segment, uint64_t file_bytes) {
  try {
    check_layout(segment, file_bytes);
  } catch (const Failure& failure) {
    return failure.code();
  }
  return "";
}

TEST(Layout, AlignsTensorsAndSegments) {
  const v1::Segment segment = two_tensors();
  EXPECT_EQ(segment.tensors(0).offset(), 0u);
  EXPECT_EQ(segment.tensors(0).bytes(), 84u);
  EXPECT_EQ(segment.tensors(1).offset(), 128u);
  EXPECT_EQ(segment.bytes(), kSegmentAlignment);
  EXPECT_EQ(code_of(segment, segment.bytes()), "");
}

TEST(Layout, RefusesFilesOfAnotherSize) {
  v1::Segment segment = two_tensors();
  EXPECT_EQ(code_of(segment, 2 * kSegmentAlignment), "model.segment-size");
  EXPECT_EQ(code_of(segment, 0), "model.segment-size");
  segment.set_bytes(1000);
  EXPECT_EQ(code_of(segment, 1000), "model.segment-size");
}

TEST(Layout, KnowsTheSizeOfBlocks) {
  const auto bytes = [](v1::DType dtype, std::initializer_list<uint64_t> shape) {
    v1::Tensor tensor;
    tensor.set_name("w");
    tensor.set_dtype(dtype);
    for (const uint64_t size : shape) tensor.add_shape(size);
    return tensor_bytes(tensor);
  };
  EXPECT_EQ(bytes(v1::DTYPE_I8_BLOCK32, {7, 64}), 7u * 68);  // two blocks, two scales
  EXPECT_EQ(bytes(v1::DTYPE_I8_BLOCK32, {7, 65}), 7u * 104);  // three of 34 bytes, padded
  EXPECT_EQ(bytes(v1::DTYPE_I4_BLOCK32, {7, 1}), 7u * 20);
  EXPECT_EQ(bytes(v1::DTYPE_I4_BLOCK32, {7, 64}), 7u * 36);
  EXPECT_EQ(bytes(v1::DTYPE_BF16, {7, 65}), 910u);
  for (const v1::DType dtype : {v1::DTYPE_I8_BLOCK32, v1::DTYPE_I4_BLOCK32}) {
    EXPECT_THROW(bytes(dtype, {64}), Failure);
    EXPECT_THROW(bytes(dtype, {2, 2, 64}), Failure);
    EXPECT_THROW(bytes(dtype, {0, 64}), Failure);
    EXPECT_THROW(bytes(dtype, {uint64_t{1} << 39, uint64_t{1} << 39}), Failure);
  }
}

TEST(Layout, RefusesHostileTensors) {
  const auto with = [](auto change) {
    v1::Segment segment = two_tensors();
    change(segment.mutable_tensors(1));
    return code_of(segment, segment.bytes());
  };
  EXPECT_EQ(with([](v1::Tensor* t) { t->set_name("a"); }), "model.tensor-duplicate");
  EXPECT_EQ(with([](v1::Tensor* t) { t->clear_name(); }), "model.tensor-layout");
  EXPECT_EQ(with([](v1::Tensor* t) { t->set_name(std::string(5000, 'x')); }), "model.tensor-layout");
  EXPECT_EQ(with([](v1::Tensor* t) { t->set_offset(64); }), "model.tensor-layout");  // overlaps the first
  EXPECT_EQ(with([](v1::Tensor* t) { t->set_offset(132); }), "model.tensor-layout");
  EXPECT_EQ(with([](v1::Tensor* t) { t->set_offset(kSegmentAlignment - 64); }), "model.tensor-layout");
  EXPECT_EQ(with([](v1::Tensor* t) { t->set_offset(uint64_t{0} - 64); }), "model.tensor-layout");  // wraps
  EXPECT_EQ(with([](v1::Tensor* t) { t->set_bytes(80); }), "model.tensor-layout");
  EXPECT_EQ(with([](v1::Tensor* t) { t->set_shape(0, 0); }), "model.tensor-layout");
  EXPECT_EQ(with([](v1::Tensor* t) { t->clear_shape(); }), "model.tensor-layout");
  EXPECT_EQ(with([](v1::Tensor* t) { t->set_dtype(static_cast<v1::DType>(77)); }), "model.dtype-unsupported");
  EXPECT_EQ(with([](v1::Tensor* t) {  // 2^33 * 2^33 elements: the product must not wrap to something small
              t->set_shape(0, uint64_t{1} << 33);
              t->set_shape(1, uint64_t{1} << 33);
            }),
            "model.tensor-layout");
}

}  // namespace
}  // namespace mft::store
