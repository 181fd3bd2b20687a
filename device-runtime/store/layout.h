// What a segment's description must satisfy before a byte of its file is used. Descriptions come from
// manifests, and manifests from elsewhere: all of it is untrusted.
#pragma once

#include <cstdint>

#include "mft/v1/model.pb.h"

namespace mft::store {

inline constexpr uint64_t kSegmentAlignment = 65536;  // file sizes: so that any page size can map them
inline constexpr uint64_t kTensorAlignment = 64;      // offsets inside a file: one cache line
inline constexpr uint64_t kMaxSegmentBytes = uint64_t{1} << 40;

// Product of the dimensions. Failure model.tensor-layout: no name, no or more than 4 dimensions, a dimension
// of 0, or a product that no segment could hold.
uint64_t tensor_elements(const v1::Tensor& tensor);

// Bytes of a tensor of this type and shape (proto/mft/v1/model.proto, enum DType). Failure as
// tensor_elements, and model.dtype-unsupported for an unknown type or one in blocks that is no matrix.
uint64_t tensor_bytes(const v1::Tensor& tensor);

// Size (of the file, a multiple of 64 KiB), each tensor's name, shape, bytes and offset; no two tensors
// overlap. Failure model.segment-size, model.tensor-layout, model.tensor-duplicate, model.dtype-unsupported.
void check_layout(const v1::Segment& segment, uint64_t file_bytes);

// Gives the tensors offsets in order, each a multiple of 64, and sets their bytes and the segment's (a
// multiple of 64 KiB). Failure model.tensor-layout, model.tensor-duplicate.
void lay_out(v1::Segment* segment);

}  // namespace mft::store
