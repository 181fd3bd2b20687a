// Another library's matrix product, to measure the engine's against in the same run.
#pragma once

#include <memory>
#include <string>

#include "kernels/gemm.h"

namespace mft::bench {

using kernels::GemmOp;
using kernels::i64;

class Yardstick {
 public:
  virtual ~Yardstick() = default;
  virtual std::string description() const = 0;
  virtual void set_threads(int threads) = 0;
  // C [M, N] = product as kernels::gemm has it, beta 0, no row distances.
  virtual void multiply(GemmOp op, i64 M, i64 N, i64 K, const float* A, const float* B, float* C) = 0;
};

// OpenBLAS from this shared library. Failure bench.no-yardstick: it can't be loaded or is something else.
std::unique_ptr<Yardstick> load_openblas(const std::string& path);

}  // namespace mft::bench
