#include "store/layout.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"

namespace mft::store {
namespace {

constexpr size_t kMaxName = 256;
constexpr int kMaxDimensions = 4;

[[noreturn]] void fail_layout(const std::string& what) {
  throw Failure("model.tensor-layout", what, "Import the model again, then start a new run.");
}

// Names go into messages: a hostile one must not be long or carry control characters.
std::string printable(const std::string& name) {
  std::string out;
  for (const unsigned char c : name.substr(0, kMaxName))
    out += c < 0x20 || c >= 0x7f ? '?' : static_cast<char>(c);
  return out;
}

std::string label(const v1::Segment& segment, const v1::Tensor& tensor) {
  return "tensor '" + printable(tensor.name()) + "' of segment '" + printable(segment.name()) + "'";
}

void check_names(const v1::Segment& segment) {
  std::vector<std::string> names;
  for (const v1::Tensor& tensor : segment.tensors()) names.push_back(tensor.name());
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) {
    throw Failure(
        "model.tensor-duplicate",
        "segment '" + printable(segment.name()) + "' has two tensors named '" + printable(*twice) + "'",
        "Import the model again, then start a new run.");
  }
}

// Rows of blocks, then a scale of two bytes for each block, then zeros to a multiple of 4.
uint64_t block_bytes(const v1::Tensor& tensor, uint64_t bytes_of_block) {
  if (tensor.shape_size() != 2) {
    throw Failure("model.dtype-unsupported",
                  "tensor '" + printable(tensor.name()) + "' is no matrix, but stored in blocks",
                  "Import the model again.");
  }
  const uint64_t blocks = (tensor.shape(1) + 31) / 32;
  return tensor.shape(0) * ((blocks * (bytes_of_block + 2) + 3) / 4 * 4);
}

}  // namespace

uint64_t tensor_elements(const v1::Tensor& tensor) {
  if (tensor.name().empty() || tensor.name().size() > kMaxName)
    fail_layout("a tensor has an empty or too long name");
  if (tensor.shape_size() < 1 || tensor.shape_size() > kMaxDimensions) {
    fail_layout("tensor '" + printable(tensor.name()) + "' has " + std::to_string(tensor.shape_size()) +
                " dimensions, expected 1 to " + std::to_string(kMaxDimensions));
  }
  uint64_t elements = 1;
  for (const uint64_t dimension : tensor.shape()) {
    if (dimension == 0 || dimension > kMaxSegmentBytes || elements > kMaxSegmentBytes / dimension) {
      fail_layout("tensor '" + printable(tensor.name()) + "' has an impossible shape");
    }
    elements *= dimension;
  }
  return elements;
}

uint64_t tensor_bytes(const v1::Tensor& tensor) {
  const uint64_t elements = tensor_elements(tensor);
  switch (tensor.dtype()) {
    case v1::DTYPE_F32:
    case v1::DTYPE_I32:
      return elements * 4;
    case v1::DTYPE_BF16:
    case v1::DTYPE_F16:
      return elements * 2;
    case v1::DTYPE_U8:
      return elements;
    case v1::DTYPE_I8_BLOCK32:
      return block_bytes(tensor, 32);
    case v1::DTYPE_I4_BLOCK32:
      return block_bytes(tensor, 16);
    default:
      throw Failure("model.dtype-unsupported",
                    "unknown tensor type " + std::to_string(static_cast<int>(tensor.dtype())),
                    "The model was made for another version of mft: import it again with this one.");
  }
}

void check_layout(const v1::Segment& segment, uint64_t file_bytes) {
  if (segment.bytes() != file_bytes || file_bytes == 0 || file_bytes > kMaxSegmentBytes ||
      file_bytes % kSegmentAlignment != 0) {
    throw Failure("model.segment-size",
                  "segment '" + printable(segment.name()) + "' is said to have " +
                      std::to_string(segment.bytes()) + " bytes, its file has " + std::to_string(file_bytes) +
                      " (a multiple of 65536 is expected)",
                  "The file is damaged or of another model: push the model again.");
  }
  check_names(segment);
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (const v1::Tensor& tensor : segment.tensors()) {
    const uint64_t bytes = tensor_bytes(tensor);
    if (tensor.bytes() != bytes) {
      fail_layout(label(segment, tensor) + " is said to have " + std::to_string(tensor.bytes()) +
                  " bytes, its shape needs " + std::to_string(bytes));
    }
    if (tensor.offset() % kTensorAlignment != 0)
      fail_layout(label(segment, tensor) + " is not aligned to 64 bytes");
    if (tensor.offset() > file_bytes || bytes > file_bytes - tensor.offset()) {
      fail_layout(label(segment, tensor) + " reaches beyond the end of its file");
    }
    ranges.emplace_back(tensor.offset(), tensor.offset() + bytes);
  }
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].first < ranges[i - 1].second) {
      fail_layout("two tensors of segment '" + printable(segment.name()) + "' overlap");
    }
  }
}

void lay_out(v1::Segment* segment) {
  check_names(*segment);
  uint64_t end = 0;
  for (v1::Tensor& tensor : *segment->mutable_tensors()) {
    const uint64_t bytes = tensor_bytes(tensor);
    tensor.set_offset(end);
    tensor.set_bytes(bytes);
    end = (end + bytes + kTensorAlignment - 1) / kTensorAlignment * kTensorAlignment;
    if (end > kMaxSegmentBytes) fail_layout("segment '" + printable(segment->name()) + "' is too large");
  }
  segment->set_bytes(std::max<uint64_t>(1, (end + kSegmentAlignment - 1) / kSegmentAlignment) *
                     kSegmentAlignment);
}

}  // namespace mft::store
