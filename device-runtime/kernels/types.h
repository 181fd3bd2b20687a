// Words that all kernels share. Legend of dimensions: B batch, T time, N = B*T rows (tokens), C channels
// (hidden size), V vocabulary, H heads, D head dimension, F inner size of the MLP. All matrices are
// row-major; ld is the distance of two rows in elements.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace mft::kernels {

using i64 = std::int64_t;

// Arithmetic of matrix products: bf16 rounds both operands (nearest, ties to even) and sums in f32.
enum class Compute : std::uint8_t { kF32, kBF16 };

// How a weight is stored. Arithmetic is f32 whatever the storage, unless Compute says otherwise.
enum class DType : std::uint8_t { kF32, kBF16, kF16 };

constexpr i64 dtype_bytes(DType dtype) { return dtype == DType::kF32 ? 4 : 2; }

// A weight matrix as it lies in memory; converted while it is packed.
struct Weights {
  const void* data = nullptr;
  DType dtype = DType::kF32;

  Weights() = default;
  Weights(const void* bytes, DType type) : data(bytes), dtype(type) {}
  Weights(const float* values) : data(values) {}  // implicit on purpose: f32 is the plain case

  // The weights from element `index` on.
  Weights at(i64 index) const {
    return {static_cast<const std::byte*>(data) + index * dtype_bytes(dtype), dtype};
  }
};

// Scratch memory of the caller, aligned to 64 bytes (Arena gives 128). Every kernel that needs some has a
// function NAME_workspace(...) that says how many bytes; less is a Failure "kernels.workspace".
using Workspace = std::span<std::byte>;

}  // namespace mft::kernels
