// Random matrices as they are stored, with the values they stand for, built by the definition of each type
// (proto/mft/v1/model.proto, enum DType): the oracle of every conversion.
#pragma once

#include "kernels/test_support.h"

namespace mft::kernels::test {

// The value of an f16, by its definition; finite ones only.
inline float half_value(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31, mantissa = bits & 0x3FF;
  const float magnitude = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -24)
                                        : std::ldexp(static_cast<float>(1024 + mantissa), exponent - 25);
  return bits >> 15 != 0 ? -magnitude : magnitude;
}

struct StoredWeights {
  DType dtype;
  i64 columns;
  std::vector<std::byte> bytes;
  std::vector<float> values;  // [rows, columns]

  operator Weights() const { return {bytes.data(), dtype, columns}; }
};

// The bytes end where the matrix ends: with the address sanitizer one read too far is an error.
inline StoredWeights stored_weights(DType dtype, i64 rows, i64 columns, std::uint64_t seed) {
  StoredWeights w{dtype, columns, {}, {}};
  Random random(seed);
  const auto stride = static_cast<std::size_t>(row_bytes(dtype, columns));
  w.bytes.resize(stride * static_cast<std::size_t>(rows));
  // Signs and mantissas at random, weights below 2, one in 16 (or its scale) subnormal.
  const std::uint32_t lowest = dtype == DType::kI8Block32 ? 3 : dtype == DType::kI4Block32 ? 7 : 10;
  const auto half = [&random, lowest] {
    const std::uint32_t bits = random.next(), exponent = random.below(16) == 0 ? 0 : lowest + bits % 6;
    return static_cast<std::uint16_t>((bits >> 8 & 0x83FF) | exponent << 10);
  };
  for (i64 r = 0; r < rows; ++r) {
    std::byte* const row = w.bytes.data() + static_cast<std::size_t>(r) * stride;
    const auto put = [row](i64 index, const auto& value) {
      std::memcpy(row + static_cast<std::size_t>(index) * sizeof(value), &value, sizeof(value));
    };
    const i64 blocks = (columns + kBlockValues - 1) / kBlockValues;
    float scale = 0;
    for (i64 c = 0; c < columns; ++c) {
      if (is_block(dtype) && c % kBlockValues == 0) {
        const std::uint16_t bits = half();
        put(blocks * block_bytes(dtype) / 2 + c / kBlockValues, bits);
        scale = half_value(bits);
      }
      float value = random.uniform();
      if (dtype == DType::kF32) put(c, value);
      if (dtype == DType::kBF16) {
        std::uint32_t bits = 0;
        std::memcpy(&bits, &value, 4);
        put(c, static_cast<std::uint16_t>(bits >> 16));
        bits &= 0xFFFF0000u;
        std::memcpy(&value, &bits, 4);
      }
      if (dtype == DType::kF16) {
        const std::uint16_t bits = half();
        put(c, bits);
        value = half_value(bits);
      }
      if (dtype == DType::kI8Block32) {
        const auto q = static_cast<std::int8_t>(random.below(256) - 128);
        put(c, q);
        value = scale * static_cast<float>(q);
      }
      if (dtype == DType::kI4Block32) {
        const auto q = static_cast<std::uint8_t>(random.below(16));
        row[c / 2] |= static_cast<std::byte>(c % 2 == 0 ? q : q << 4);
        value = scale * static_cast<float>(q - 8);
      }
      w.values.push_back(value);
    }
  }
  return w;
}

inline const char* storage_name(DType dtype) {
  constexpr const char* kNames[] = {"f32", "bf16", "f16", "i8", "i4"};
  return kNames[static_cast<std::size_t>(dtype)];
}

constexpr DType kStorageTypes[] = {DType::kF32, DType::kBF16, DType::kF16, DType::kI8Block32,
                                   DType::kI4Block32};

}  // namespace mft::kernels::test
