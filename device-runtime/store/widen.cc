#include "store/widen.h"

#include <bit>
#include <cstring>

namespace mft::store {
namespace {

float from_f16(uint16_t half) {
  const uint32_t sign = uint32_t{half} >> 15 << 31, exponent = half >> 10 & 31, fraction = half & 1023;
  if (exponent == 0) {  // zero and subnormals: fraction * 2^-24
    const float size = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -size : size;
  }
  const uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

float from_bf16(uint16_t half) { return std::bit_cast<float>(uint32_t{half} << 16); }

}  // namespace

bool is_float(v1::DType dtype) {
  return dtype == v1::DTYPE_F32 || dtype == v1::DTYPE_BF16 || dtype == v1::DTYPE_F16;
}

void widen(v1::DType dtype, uint64_t count, const std::byte* from, float* to) {
  if (dtype == v1::DTYPE_F32) {
    std::memcpy(to, from, count * sizeof(float));
    return;
  }
  for (uint64_t i = 0; i < count; ++i) {
    uint16_t half = 0;
    std::memcpy(&half, from + 2 * i, sizeof(half));
    to[i] = dtype == v1::DTYPE_BF16 ? from_bf16(half) : from_f16(half);
  }
}

}  // namespace mft::store
