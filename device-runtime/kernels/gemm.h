// General matrix product, packed and blocked.
// Determinism: each element of C is one chain of fused multiply-adds (k ascending) for each block of
// kGemmBlockK, the blocks added in order; nothing depends on threads, tiles or instruction set.
#pragma once

#include "base/threads.h"
#include "kernels/types.h"

namespace mft::kernels {

constexpr i64 kGemmBlockK = 384;

enum class GemmOp : std::uint8_t {
  kNT,  // A [M, K], B [N, K]: C = A B^T     y = x W^T
  kNN,  // A [M, K], B [K, N]: C = A B       dx = dy W
  kTN,  // A [K, M], B [K, N]: C = A^T B     dW += dy^T x
};

// C = alpha * product + beta * C + bias + residual
struct Epilogue {
  float alpha = 1.0f;           // e.g. LoRA's scale
  const float* bias = nullptr;  // [N], added to each row
  const float* residual =
      nullptr;  // [M, N] with row distance ld_residual; may be C's own memory only if beta is 0
  i64 ld_residual = 0;
  Compute compute = Compute::kF32;
};

// Bytes of workspace for a product of this shape with up to `threads` threads; monotonic in every argument.
std::size_t gemm_workspace(int threads, GemmOp op, i64 M, i64 N, i64 K);

// C [M, N] (row distance ldc). beta is 0 (C is only written) or 1 (added to). C must not overlap A or B.
// B may be stored in any DType; A is f32. Rows and columns may be parts of larger matrices (lda, ldb, ldc),
// so an adapter on a row range of a fused weight is a product on that range. A B in blocks starts at the first
// column of its rows, and ldb is their whole length.
//
// LoRA's skinny products keep r as the M or K dimension (B^T is stored as Bt [r, out]):
//   tT [r, N]  = NT(A [r, in], x [N, in])          y  += TN(tT, Bt) with alpha = scale
//   dBt       += NN(tT, dy) with alpha = scale     dtT = NT(Bt, dy) with alpha = scale
//   dA        += NN(dtT, x)                        dx += TN(dtT, A)
void gemm(ThreadPool& pool, GemmOp op, i64 M, i64 N, i64 K, const float* A, i64 lda, Weights B, i64 ldb,
          float* C, i64 ldc, float beta, const Epilogue& epilogue, Workspace workspace);

}  // namespace mft::kernels
