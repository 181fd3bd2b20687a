// Weights of a model that was never trained, made in memory: speed and memory depend on shapes alone.
#pragma once

#include <cstddef>
#include <memory>

#include "kernels/types.h"
#include "mft/v1/model.pb.h"
#include "store/segments.h"

namespace mft::bench {

using kernels::i64;

// Uniform in (-0.035, 0.035): the spread of common initial weights.
void fill_noise(uint64_t seed, i64 count, float* values);

// A matrix in any storage, its values about as large; block scales are all equal.
void fill_matrix(uint64_t seed, i64 rows, i64 columns, kernels::DType dtype, std::byte* data);

// F32 for types that no matrix has.
kernels::DType kernel_dtype(v1::DType dtype);

// The segments of a configuration in private memory; matrices are stored as `dtype`, vectors as F32.
std::unique_ptr<store::Segments> random_segments(const v1::ModelConfig& config, v1::DType dtype);

}  // namespace mft::bench
