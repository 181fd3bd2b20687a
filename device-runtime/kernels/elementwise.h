// Small vector operations and sums of fixed order.
#pragma once

#include "base/threads.h"
#include "kernels/types.h"

namespace mft::kernels {

// y = a + b (residual connections); y may be a or b.
void add(ThreadPool& pool, i64 n, const float* a, const float* b, float* y);
// y = s * x; y may be x.
void scale(ThreadPool& pool, i64 n, float s, const float* x, float* y);
// x = value.
void fill(ThreadPool& pool, i64 n, float value, float* x);
// y [rows, columns] = the f32 values of a stored matrix x, whose columns must be set.
void convert(ThreadPool& pool, i64 rows, Weights x, float* y);

// Gradient of a bias: d_bias [C] += sum over rows of dy [N, C] (row distance ld).
void bias_gradient(ThreadPool& pool, i64 N, i64 C, const float* dy, i64 ld, float* d_bias);

// Sum of x[i]^2, in blocks of fixed size, blocks added in double: for gradient clipping by the global norm.
double sum_of_squares(ThreadPool& pool, i64 n, const float* x);

}  // namespace mft::kernels
