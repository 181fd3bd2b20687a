// Rows of gemm: every storage type, all three variants, odd shapes, epilogues, both kinds of arithmetic; and the
// products of a linear layer's backward against numeric gradients.
#include <array>
#include <memory>

#include "kernels/gemm.h"
#include "kernels/gradient_check.h"
#include "kernels/ops_table.h"
#include "kernels/reference/gemm.h"
#include "kernels/stored_weights.h"

namespace mft::kernels::test {
namespace {

using Vector = std::vector<double>;

// Sums of products in f32, over the largest result. Hardware with sums of its own (bfmmla) rounds each pair of
// products, and odd instead of to nearest.
double product_bar(Compute compute) { return compute == Compute::kF32 ? 2e-6 : 1e-5; }

struct Product {
  GemmOp op;
  DType dtype;
  i64 M, N, K;
  Compute compute = Compute::kF32;
  float beta = 0, alpha = 1;
  bool bias = false, residual = false;
  i64 pad = 0;  // of every row distance; of a weight in blocks: of whole blocks
  bool parallel = false;

  bool transposed_a() const { return op == GemmOp::kTN; }
  i64 pad_b() const { return is_block(dtype) ? pad * kBlockValues : pad; }
  i64 lda() const { return (transposed_a() ? M : K) + pad; }
  i64 ldb() const { return (op == GemmOp::kNT ? K : N) + pad_b(); }
  i64 ldc() const { return N + pad; }
};

Problem product_problem(const Product& p) {
  const std::vector<float> A = random_vector((p.transposed_a() ? p.K : p.M) * p.lda(), 1),
                           C = random_vector(p.M * p.ldc(), 3), bias = random_vector(p.N, 4),
                           residual = random_vector(p.M * p.ldc(), 5);
  const auto B = std::make_shared<StoredWeights>(
      stored_weights(p.dtype, p.op == GemmOp::kNT ? p.N : p.K, p.ldb(), 2));
  const bool rounds = p.compute == Compute::kBF16;
  const Vector a = to_double(rounds ? rounded_to_bf16(A) : A),
               b = to_double(rounds ? rounded_to_bf16(B->values) : B->values), exact_bias = to_double(bias),
               exact_residual = to_double(residual);
  Vector c = to_double(C);
  reference::gemm<double>(p.op, p.M, p.N, p.K, a.data(), p.lda(), b.data(), p.ldb(), c.data(), p.ldc(),
                          static_cast<double>(p.beta), static_cast<double>(p.alpha),
                          p.bias ? exact_bias.data() : nullptr, p.residual ? exact_residual.data() : nullptr,
                          p.ldc());
  return {[=](ThreadPool& pool) {
            std::vector<float> out = C;
            Epilogue e;
            e.alpha = p.alpha;
            e.bias = p.bias ? bias.data() : nullptr;
            e.residual = p.residual ? residual.data() : nullptr;
            e.ld_residual = p.ldc();
            e.compute = p.compute;
            const Scratch scratch(gemm_workspace(pool.threads(), p.op, p.M, p.N, p.K));
            gemm(pool, p.op, p.M, p.N, p.K, A.data(), p.lda(), *B, p.ldb(), out.data(), p.ldc(), p.beta, e, scratch);
            return Outputs{out};
          },
          {{c, product_bar(p.compute)}},
          p.parallel};
}

// y = x W^T of N tokens, from `in` to `out` channels; the loss is dy . y. dx = dy W, dW = dy^T x.
Problem linear_gradient(DType dtype, i64 N, i64 in, i64 out) {
  const std::vector<float> x = random_vector(N * in, 1), dy = random_vector(N * out, 3);
  const auto W = std::make_shared<StoredWeights>(stored_weights(dtype, out, in, 2));
  const Vector exact_x = to_double(x), exact_dy = to_double(dy), exact_W = to_double(W->values);
  const auto product = [](GemmOp op, i64 M, i64 columns, i64 K, const Vector& A, i64 lda, const Vector& B, i64 ldb) {
    Vector C(static_cast<std::size_t>(M * columns));
    reference::gemm<double>(op, M, columns, K, A.data(), lda, B.data(), ldb, C.data(), columns, 0.0);
    return C;
  };
  const auto loss = [&](const Vector& input, const Vector& weight) {
    return dot(exact_dy, product(GemmOp::kNT, N, out, in, input, in, weight, in));
  };
  const Vector dx = product(GemmOp::kNN, N, in, out, exact_dy, out, exact_W, in);
  const Vector dW = product(GemmOp::kTN, out, in, N, exact_dy, out, exact_x, in);
  check_gradient(exact_x, dx, [&](const Vector& v) { return loss(v, exact_W); });
  check_gradient(exact_W, dW, [&](const Vector& v) { return loss(exact_x, v); });
  return {[=](ThreadPool& pool) {
            std::vector<float> gx = zeros(N * in), gW = zeros(out * in);
            const Scratch scratch(std::max(gemm_workspace(pool.threads(), GemmOp::kNN, N, in, out),
                                           gemm_workspace(pool.threads(), GemmOp::kTN, out, in, N)));
            gemm(pool, GemmOp::kNN, N, in, out, dy.data(), out, *W, in, gx.data(), in, 0.0f, {}, scratch);
            gemm(pool, GemmOp::kTN, out, in, N, dy.data(), out, x.data(), in, gW.data(), in, 1.0f, {}, scratch);
            return Outputs{gx, gW};
          },
          {{dx, 2e-6}, {dW, 2e-6}}};
}

std::string shape_name(i64 M, i64 N, i64 K) {
  return std::to_string(M) + "x" + std::to_string(N) + "x" + std::to_string(K);
}

}  // namespace

void add_gemm_rows(Rows& rows) {
  constexpr std::array kNames = {"NT", "NN", "TN"};
  // Below, at and above the widths of tiles and panels and the depth of a k block, and one value.
  constexpr struct {
    i64 M, N, K;
    bool parallel = false;
  } kShapes[] = {{1, 1, 1},    {1, 70, 33},  {2, 3, 5},    {3, 50, 64},  {8, 17, 129}, {7, 96, 31},
                 {13, 24, 385}, {33, 12, 400}, {4, 100, 17}, {97, 5, 70}, {25, 193, 63}, {64, 64, 96},
                 {5, 33, 771}, {61, 320, 100, true},
                 {9, 810, 50, true}, {805, 11, 35, true}};
  int count = 0;
  for (const Compute compute : {Compute::kF32, Compute::kBF16}) {
    for (const DType dtype : kStorageTypes) {
      for (const GemmOp op : {GemmOp::kNT, GemmOp::kNN, GemmOp::kTN}) {
        for (const auto& s : kShapes) {
          ++count;
          Product p{op, dtype, s.M, s.N, s.K, compute};
          p.beta = static_cast<float>(count % 2);
          p.alpha = count % 3 == 0 ? 0.5f : 1.0f;
          p.bias = count % 5 < 2;
          p.residual = count % 7 < 2;
          p.pad = count % 4;
          p.parallel = s.parallel;
          const std::string name = std::string(kNames[static_cast<std::size_t>(op)]) + "_" + storage_name(dtype) +
                                   (compute == Compute::kBF16 ? "_bf16_compute_" : "_") + shape_name(s.M, s.N, s.K);
          rows.push_back({"gemm", name, [p] { return product_problem(p); }, compute});
        }
      }
    }
  }
  for (const DType dtype : kStorageTypes) {
    for (const auto& s : {std::array<i64, 3>{1, 5, 3}, {5, 7, 3}, {9, 33, 20}, {17, 20, 65}}) {
      rows.push_back({"gemm", "gradient_" + std::string(storage_name(dtype)) + "_" + shape_name(s[0], s[1], s[2]),
                      [=] { return linear_gradient(dtype, s[0], s[1], s[2]); }});
    }
  }
}

}  // namespace mft::kernels::test
