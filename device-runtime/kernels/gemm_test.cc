// What the table of ops does not cover.
#include "kernels/gemm.h"

#include "kernels/stored_weights.h"
#include "kernels/test_support.h"

namespace mft::kernels::test {
namespace {

struct Case {
  GemmOp op;
  i64 M, N, K;
  float beta = 0;
  float alpha = 1;
  bool bias = false, residual = false;
  i64 pad = 0;  // of every row distance
};

i64 a_columns(const Case& c) { return (c.op == GemmOp::kTN ? c.M : c.K) + c.pad; }
i64 a_rows(const Case& c) { return c.op == GemmOp::kTN ? c.K : c.M; }
i64 b_columns(const Case& c) { return (c.op == GemmOp::kNT ? c.K : c.N) + c.pad; }
i64 b_rows(const Case& c) { return c.op == GemmOp::kNT ? c.N : c.K; }

struct Data {
  explicit Data(const Case& c)
      : A(random_vector(a_rows(c) * a_columns(c), 1)),
        B(random_vector(b_rows(c) * b_columns(c), 2)),
        C(random_vector(c.M * (c.N + c.pad), 3)),
        bias(random_vector(c.N, 4)),
        residual(random_vector(c.M * (c.N + c.pad), 5)) {}
  std::vector<float> A, B, C, bias, residual;
};

std::vector<float> compute(ThreadPool& pool, const Case& c, const Data& d, Weights B) {
  std::vector<float> C = d.C;
  Epilogue e;
  e.alpha = c.alpha;
  e.bias = c.bias ? d.bias.data() : nullptr;
  e.residual = c.residual ? d.residual.data() : nullptr;
  e.ld_residual = c.N + c.pad;
  const Scratch scratch(gemm_workspace(pool.threads(), c.op, c.M, c.N, c.K));
  gemm(pool, c.op, c.M, c.N, c.K, d.A.data(), a_columns(c), B, b_columns(c), C.data(), c.N + c.pad, c.beta, e,
       scratch);
  return C;
}

// Shapes beyond one slab: K over 3840, K over 384 with more than 1024 rows, more than 2016 rows.
TEST(Gemm, GoesOverSlabs) {
  ThreadPool pool(2);
  for (const Case& c : {Case{GemmOp::kNN, 30, 50, 8001}, Case{GemmOp::kNT, 1100, 1100, 1541, 1},
                        Case{GemmOp::kNT, 2100, 2060, 500}}) {
    const Data d(c);
    const std::vector<float> C = compute(pool, c, d, d.B.data());
    Random random(3);
    for (int i = 0; i < 200; ++i) {
      const i64 m = random.below(c.M), n = random.below(c.N);
      double sum = c.beta != 0 ? static_cast<double>(d.C[static_cast<std::size_t>(m * c.N + n)]) : 0.0;
      for (i64 k = 0; k < c.K; ++k) {
        const auto b = static_cast<std::size_t>(c.op == GemmOp::kNT ? n * c.K + k : k * c.N + n);
        sum += static_cast<double>(d.A[static_cast<std::size_t>(m * c.K + k)]) * static_cast<double>(d.B[b]);
      }
      ASSERT_NEAR(static_cast<double>(C[static_cast<std::size_t>(m * c.N + n)]), sum, 2e-4) << m << " " << n;
    }
  }
}

// Storage is the only loss: the product has the bits of the product with the values that are stored.
TEST(Gemm, ConvertsEveryStorageTypeWhilePacking) {
  const IsaGuard guard;
  for (const std::string_view name : available_isas()) {
    set_isa(name);
    ThreadPool pool(2);
    for (const DType dtype : kStorageTypes) {
      Random random(9);
      for (int i = 0; i < 24; ++i) {
        Case c{i % 2 == 0 ? GemmOp::kNT : GemmOp::kNN, 1 + random.below(i < 12 ? 12 : 150),
               1 + random.below(i % 4 < 2 ? 70 : 400), 1 + random.below(i % 3 == 0 ? 70 : 900)};
        c.bias = i % 5 == 0;
        c.pad = is_block(dtype) ? random.below(2) * 32 : random.below(4);
        const Data d(c);
        const StoredWeights B = stored_weights(dtype, b_rows(c), b_columns(c), static_cast<std::uint64_t>(i));
        EXPECT_TRUE(same_bits(compute(pool, c, d, B), compute(pool, c, d, B.values.data())))
            << name << ", type " << static_cast<int>(dtype) << " case " << i << ": " << c.M << " x " << c.N
            << " x " << c.K;
      }
    }
  }
}

TEST(Gemm, RefusesASmallWorkspace) {
  ThreadPool pool(1);
  std::vector<float> x(4);
  EXPECT_ANY_THROW(gemm(pool, GemmOp::kNT, 2, 2, 2, x.data(), 2, x.data(), 2, x.data(), 2, 0, {}, {}));
}

TEST(Gemm, RefusesAPartOfARowOfBlocks) {
  ThreadPool pool(1);
  const StoredWeights B = stored_weights(DType::kI8Block32, 4, 64, 1);
  std::vector<float> A(64), C(4);
  const Scratch scratch(gemm_workspace(1, GemmOp::kNT, 1, 4, 32));
  EXPECT_ANY_THROW(
      gemm(pool, GemmOp::kNT, 1, 4, 32, A.data(), 32, B, 32, C.data(), 4, 0, {}, scratch));
}

}  // namespace
}  // namespace mft::kernels::test
