// Lookup of embedding rows and its gradient.
#pragma once

#include "base/threads.h"
#include "kernels/types.h"

namespace mft::kernels {

// out [N, C] = beta * out + table[ids[n]] (table [rows, C], beta 0 or 1; call it twice for tokens and
// positions). An id outside [0, rows) is a Failure "kernels.id".
void embedding_forward(ThreadPool& pool, i64 N, i64 C, const std::int32_t* ids, Weights table, i64 rows,
                       float beta, float* out);

// d_table[ids[n]] += d_out[n], n ascending for each row of the table.
void embedding_backward(ThreadPool& pool, i64 N, i64 C, const std::int32_t* ids, const float* d_out, i64 rows,
                        float* d_table);

}  // namespace mft::kernels
