// The gradients of what is linear: products, bias, embedding. The kernels are compared with the reference elsewhere; here
// the reference's backward products are compared with central differences of its forward ones.
#include "kernels/gemm.h"
#include "kernels/gradient_check.h"
#include "kernels/reference/gemm.h"
#include "kernels/reference/rows.h"
#include "kernels/test_support.h"

namespace mft::kernels::test {
namespace {

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

Vector product(GemmOp op, i64 M, i64 N, i64 K, const Vector& A, i64 lda, const Vector& B, i64 ldb, const double* bias) {
  Vector C(static_cast<std::size_t>(M * N));
  reference::gemm<double>(op, M, N, K, A.data(), lda, B.data(), ldb, C.data(), N, 0.0, 1.0, bias, nullptr, N);
  return C;
}

// y = x W^T + b of N tokens, from `in` to `out` channels; the loss is sum(dy * y).
TEST(Linear, GradientsAreThoseOfTheProduct) {
  const i64 N = 5, in = 7, out = 3;
  const Vector x = to_double(random_vector(N * in, 1)), W = to_double(random_vector(out * in, 2));
  const Vector b = to_double(random_vector(out, 3)), dy = to_double(random_vector(N * out, 4));
  const auto loss = [&](const Vector& x_, const Vector& W_, const Vector& b_) {
    return dot(dy, product(GemmOp::kNT, N, out, in, x_, in, W_, in, b_.data()));
  };
  const Vector dx = product(GemmOp::kNN, N, in, out, dy, out, W, in, nullptr);
  const Vector dW = product(GemmOp::kTN, out, in, N, dy, out, x, in, nullptr);
  Vector db(static_cast<std::size_t>(out));
  reference::bias_gradient(N, out, dy.data(), out, db.data());
  check_gradient(x, dx, [&](const Vector& v) { return loss(v, W, b); });
  check_gradient(W, dW, [&](const Vector& v) { return loss(x, v, b); });
  check_gradient(b, db, [&](const Vector& v) { return loss(x, W, v); });
}

TEST(Embedding, GradientIsThatOfTheLookup) {
  const i64 N = 6, C = 4, rows = 3;
  const std::vector<std::int32_t> ids = {2, 0, 2, 2, 1, 0};
  const Vector table = to_double(random_vector(rows * C, 1)), dy = to_double(random_vector(N * C, 2));
  Vector d_table(table.size());
  reference::embedding_backward(N, C, ids.data(), dy.data(), d_table.data());
  check_gradient(table, d_table, [&](const Vector& v) {
    Vector y(dy.size());
    reference::embedding_forward(N, C, ids.data(), v.data(), 0.0, y.data());
    return dot(dy, y);
  });
}

}  // namespace
}  // namespace mft::kernels::test
