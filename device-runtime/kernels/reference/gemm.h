// The naive product: the oracle of kernels/gemm.h. Slow and plain on purpose; T is the storage type, sums are
// double.
#pragma once

#include "kernels/gemm.h"

namespace mft::kernels::reference {

template <class T>
void gemm(GemmOp op, i64 M, i64 N, i64 K, const T* A, i64 lda, const T* B, i64 ldb, T* C, i64 ldc,
          double beta, double alpha = 1.0, const T* bias = nullptr, const T* residual = nullptr,
          i64 ld_residual = 0) {
  for (i64 m = 0; m < M; ++m) {
    for (i64 n = 0; n < N; ++n) {
      double sum = 0;
      for (i64 k = 0; k < K; ++k) {
        const double a = op == GemmOp::kTN ? A[k * lda + m] : A[m * lda + k];
        const double b = op == GemmOp::kNT ? B[n * ldb + k] : B[k * ldb + n];
        sum += a * b;
      }
      sum *= alpha;
      if (bias != nullptr) sum += bias[n];
      if (residual != nullptr) sum += residual[m * ld_residual + n];
      if (beta != 0) sum += beta * C[m * ldc + n];
      C[m * ldc + n] = static_cast<T>(sum);
    }
  }
}

}  // namespace mft::kernels::reference
