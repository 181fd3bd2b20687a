#include "bench/random_weights.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "models/config.h"

namespace mft::bench {
namespace {

constexpr float kSpread = 0.035f;
constexpr uint16_t kInt8Scale = 0x0C00;  // 2^-12 as f16: values within 0.031
constexpr uint16_t kInt4Scale = 0x1C00;  // 2^-8: within 0.031

// SplitMix64 (Steele et al., 2014).
class Bits {
 public:
  explicit Bits(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  float uniform() {  // in (-kSpread, kSpread)
    return (static_cast<float>(next() >> 40) * 0x1p-23f - 1) * kSpread;
  }

 private:
  uint64_t state_;
};

void fill_bf16(Bits bits, i64 count, uint16_t* values) {
  for (i64 i = 0; i < count; ++i) {
    const float value = bits.uniform();
    uint32_t word;
    std::memcpy(&word, &value, sizeof word);
    values[i] = static_cast<uint16_t>(word >> 16);
  }
}

// Any sign and fraction, an exponent for values of 0.0078 to 0.031.
void fill_f16(Bits bits, i64 count, uint16_t* values) {
  for (i64 i = 0; i < count; ++i) {
    const uint64_t word = bits.next();
    const uint64_t exponent = 8 + (word >> 11 & 1);
    values[i] = static_cast<uint16_t>((word & 0x83FF) | exponent << 10);
  }
}

// Rows of blocks, then their scales, padded to 4 bytes.
void fill_blocks(Bits bits, i64 rows, i64 in, kernels::DType dtype, uint16_t scale, std::byte* data) {
  const i64 blocks = (in + kernels::kBlockValues - 1) / kernels::kBlockValues;
  const i64 values = blocks * kernels::block_bytes(dtype);
  const i64 used = in * kernels::block_bytes(dtype) / kernels::kBlockValues;  // the rest of a block is zero
  for (i64 row = 0; row < rows; ++row, data += kernels::row_bytes(dtype, in)) {
    for (i64 i = 0; i < used; ++i) data[i] = static_cast<std::byte>(bits.next() >> 33);
    for (i64 i = 0; i < blocks; ++i) std::memcpy(data + values + 2 * i, &scale, sizeof scale);
  }
}

}  // namespace

kernels::DType kernel_dtype(v1::DType dtype) {
  switch (dtype) {
    case v1::DTYPE_BF16:
      return kernels::DType::kBF16;
    case v1::DTYPE_F16:
      return kernels::DType::kF16;
    case v1::DTYPE_I8_BLOCK32:
      return kernels::DType::kI8Block32;
    case v1::DTYPE_I4_BLOCK32:
      return kernels::DType::kI4Block32;
    default:
      return kernels::DType::kF32;
  }
}

void fill_matrix(uint64_t seed, i64 rows, i64 columns, kernels::DType dtype, std::byte* data) {
  switch (dtype) {
    case kernels::DType::kBF16:
      return fill_bf16(Bits(seed), rows * columns, reinterpret_cast<uint16_t*>(data));
    case kernels::DType::kF16:
      return fill_f16(Bits(seed), rows * columns, reinterpret_cast<uint16_t*>(data));
    case kernels::DType::kI8Block32:
      return fill_blocks(Bits(seed), rows, columns, dtype, kInt8Scale, data);
    case kernels::DType::kI4Block32:
      return fill_blocks(Bits(seed), rows, columns, dtype, kInt4Scale, data);
    case kernels::DType::kF32:
      return fill_noise(seed, rows * columns, reinterpret_cast<float*>(data));
  }
}

void fill_noise(uint64_t seed, i64 count, float* values) {
  Bits bits(seed);
  for (i64 i = 0; i < count; ++i) values[i] = bits.uniform();
}

std::unique_ptr<store::Segments> random_segments(const v1::ModelConfig& config, v1::DType dtype) {
  std::vector<v1::Segment> layout = models::expected_segments(config);
  for (v1::Segment& segment : layout) {
    for (v1::Tensor& tensor : *segment.mutable_tensors()) {
      tensor.set_dtype(tensor.shape_size() > 1 ? dtype : v1::DTYPE_F32);
    }
  }
  std::unique_ptr<store::Segments> segments = store::Segments::blank(layout);
  const float norm_weight = config.norm() == v1::NORM_RMS_PLUS_ONE ? 0 : 1;
  uint64_t seed = 0;
  for (size_t i = 0; i < segments->count(); ++i) {
    const store::Pin pin = segments->pin(i);
    for (const store::TensorView& tensor : pin.tensors()) {
      std::byte* const data = const_cast<std::byte*>(tensor.data);  // private memory, made above
      if (tensor.shape.size() > 1) {
        const i64 rows = static_cast<i64>(tensor.shape[0]);
        fill_matrix(++seed, rows, static_cast<i64>(tensor.elements) / rows, kernel_dtype(tensor.dtype), data);
      } else if (tensor.name.ends_with("norm.weight")) {
        std::fill_n(reinterpret_cast<float*>(data), tensor.elements, norm_weight);
      }  // biases stay zero
    }
  }
  return segments;
}

}  // namespace mft::bench
