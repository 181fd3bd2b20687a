// Words that all kernels share. Legend of dimensions: S sequences, T tokens of a sequence, N tokens (rows) of
// all of them, C channels (hidden size), V vocabulary, H heads, D head dimension, F inner size of the MLP. All
// matrices are row-major; ld is the distance of two rows in elements.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace mft::kernels {

using i64 = std::int64_t;

// Sequences of any lengths, one behind the other without padding: sequence s is rows [starts[s], starts[s + 1])
// of whatever has N rows.
struct Sequences {
  i64 count = 0;                          // S
  const std::uint32_t* starts = nullptr;  // [S + 1], from 0 on rising

  i64 tokens() const { return count > 0 ? starts[count] : 0; }  // N
  i64 length(i64 s) const { return i64{starts[s + 1]} - i64{starts[s]}; }  // T
};

// Arithmetic of matrix products: bf16 rounds both operands (nearest, ties to even) and sums in f32.
enum class Compute : std::uint8_t { kF32, kBF16 };

// How a weight is stored. Arithmetic is f32 whatever the storage, unless Compute says otherwise.
// The block types hold a row as ceil(columns / 32) blocks of integers, then a scale (f16) for each block;
// value = scale * q (proto/mft/v1/model.proto, enum DType, has every bit of it).
enum class DType : std::uint8_t { kF32, kBF16, kF16, kI8Block32, kI4Block32 };

constexpr i64 kBlockValues = 32;
constexpr bool is_block(DType dtype) { return dtype == DType::kI8Block32 || dtype == DType::kI4Block32; }
constexpr i64 block_bytes(DType dtype) { return dtype == DType::kI8Block32 ? 32 : 16; }

// Bytes of a row of `columns` values, and so the distance of two rows.
constexpr i64 row_bytes(DType dtype, i64 columns) {
  if (!is_block(dtype)) return columns * (dtype == DType::kF32 ? 4 : 2);
  const i64 blocks = (columns + kBlockValues - 1) / kBlockValues;
  return (blocks * (block_bytes(dtype) + 2) + 3) / 4 * 4;
}

// A weight matrix as it lies in memory; converted while it is packed.
struct Weights {
  const void* data = nullptr;
  DType dtype = DType::kF32;
  i64 columns = 0;  // of a whole row; 0: what the kernel is told as row distance or width

  Weights() = default;
  Weights(const void* bytes, DType type, i64 row_columns = 0)
      : data(bytes), dtype(type), columns(row_columns) {}
  Weights(const float* values) : data(values) {}  // implicit on purpose: f32 is the plain case

  // The same matrix, its rows known to be `count` columns long.
  Weights with_columns(i64 count) const { return {data, dtype, count}; }
  // The weights from row `index` on.
  Weights row(i64 index) const {
    return {static_cast<const std::byte*>(data) + index * row_bytes(dtype, columns), dtype, columns};
  }
};

// Scratch memory of the caller, aligned to 64 bytes (Arena gives 128). Every kernel that needs some has a
// function NAME_workspace(...) that says how many bytes; less is a Failure "kernels.workspace".
using Workspace = std::span<std::byte>;

}  // namespace mft::kernels
