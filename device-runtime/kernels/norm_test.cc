#include "kernels/norm.h"

#include "kernels/gradient_check.h"
#include "kernels/reference/rows.h"
#include "kernels/test_support.h"

namespace mft::kernels::test {
namespace {

constexpr float kEps = 1e-5f;

struct Problem {
  Problem(i64 rows, i64 channels)
      : N(rows),
        C(channels),
        x(random_vector(N * C, 1, 3.0f)),
        weight(random_vector(C, 2)),
        bias(random_vector(C, 3)),
        dy(random_vector(N * C, 4)),
        dx(random_vector(N * C, 5)),
        d_weight(random_vector(C, 6)),
        d_bias(random_vector(C, 7)) {
    for (float& value : x) value += 5.0f;  // a mean far from 0, as residual streams have
  }
  i64 N, C;
  std::vector<float> x, weight, bias, dy, dx, d_weight, d_bias;
};

const std::pair<i64, i64> kShapes[] = {{1, 1}, {7, 16}, {5, 33}, {130, 768}, {67, 1031}};

TEST(LayerNorm, EqualsTheReferenceWithTheSameBitsEverywhere) {
  for (const auto& [N, C] : kShapes) {
    for (const float beta : {0.0f, 1.0f}) {
      const Problem p(N, C);
      const Outputs out = expect_same_everywhere(
          [&](ThreadPool& pool) {
            Problem q = p;
            std::vector<float> y(q.x.size()), mean(static_cast<std::size_t>(q.N)), rstd(mean);
            layernorm_forward(pool, q.N, q.C, q.x.data(), q.weight.data(), q.bias.data(), kEps, y.data(),
                              mean.data(), rstd.data());
            layernorm_backward(pool, q.N, q.C, q.dy.data(), q.x.data(), q.weight.data(), mean.data(),
                               rstd.data(), beta, q.dx.data(), q.d_weight.data(), q.d_bias.data());
            return Outputs{y, q.dx, q.d_weight, q.d_bias};
          },
          N * C > 65536);
      const std::vector<double> x = to_double(p.x), weight = to_double(p.weight), bias = to_double(p.bias),
                                dy = to_double(p.dy);
      std::vector<double> y(x.size()), mean(static_cast<std::size_t>(N)), rstd(mean),
          dx = to_double(p.dx), d_weight = to_double(p.d_weight), d_bias = to_double(p.d_bias);
      reference::layernorm_forward(N, C, x.data(), weight.data(), bias.data(), static_cast<double>(kEps),
                                   y.data(), mean.data(), rstd.data());
      reference::layernorm_backward(N, C, dy.data(), x.data(), weight.data(), mean.data(), rstd.data(),
                                    static_cast<double>(beta), dx.data(), d_weight.data(), d_bias.data());
      if (C == 1) continue;  // variance 0: 1 / sqrt(eps) magnifies the rounding of the mean
      EXPECT_LT(relative_error(out[0], y), 2e-6) << N << " x " << C;
      EXPECT_LT(relative_error(out[1], dx), 5e-6) << N << " x " << C;
      EXPECT_LT(relative_error(out[2], d_weight), 5e-6) << N << " x " << C;
      EXPECT_LT(relative_error(out[3], d_bias), 2e-6) << N << " x " << C;
    }
  }
}

TEST(LayerNorm, MayOverwriteTheGradientOfItsOutput) {
  ThreadPool pool(2);
  const Problem p(40, 100);
  std::vector<float> y(p.x.size()), mean(40), rstd(40), apart(p.x.size()), same = p.dy, d_weight[2],
                                                                           d_bias[2];
  layernorm_forward(pool, p.N, p.C, p.x.data(), p.weight.data(), nullptr, kEps, y.data(), mean.data(),
                    rstd.data());
  for (int i = 0; i < 2; ++i) {
    d_weight[i].assign(100, 0.0f);
    d_bias[i].assign(100, 0.0f);
    layernorm_backward(pool, p.N, p.C, i == 0 ? p.dy.data() : same.data(), p.x.data(), p.weight.data(),
                       mean.data(), rstd.data(), 0.0f, i == 0 ? apart.data() : same.data(),
                       d_weight[i].data(), d_bias[i].data());
  }
  EXPECT_TRUE(same_bits(apart, same));
  EXPECT_TRUE(same_bits(d_weight[0], d_weight[1]));
  EXPECT_TRUE(same_bits(d_bias[0], d_bias[1]));
}

TEST(LayerNorm, ReferenceGradientIsRight) {
  const i64 N = 3, C = 5;
  const Problem p(N, C);
  const std::vector<double> dy = to_double(p.dy);
  // x, weight and bias in one vector
  std::vector<double> all = to_double(p.x), gradient(all.size() + 2 * C);
  for (const auto& part : {p.weight, p.bias}) all.insert(all.end(), part.begin(), part.end());
  const auto forward = [&](const std::vector<double>& v, double* y, double* mean, double* rstd) {
    reference::layernorm_forward(N, C, v.data(), v.data() + N * C, v.data() + N * C + C, 1e-5, y, mean, rstd);
  };
  std::vector<double> y(N * C), mean(N), rstd(N);
  forward(all, y.data(), mean.data(), rstd.data());
  reference::layernorm_backward(N, C, dy.data(), all.data(), all.data() + N * C, mean.data(), rstd.data(),
                                0.0, gradient.data(), gradient.data() + N * C, gradient.data() + N * C + C);
  check_gradient(all, gradient, [&](const std::vector<double>& v) {
    std::vector<double> out(N * C), m(N), r(N);
    forward(v, out.data(), m.data(), r.data());
    double sum = 0;
    for (std::size_t i = 0; i < out.size(); ++i) sum += out[i] * dy[i];
    return sum;
  });
}

TEST(RmsNorm, EqualsTheReferenceWithTheSameBitsEverywhere) {
  for (const auto& [N, C] : kShapes) {
    for (const bool plus_one : {false, true}) {
      const Problem p(N, C);
      const i64 rows = N / 2 + 1, ld = C - C / 3;  // a narrower row inside the buffers
      const i64 width = ld - ld / 4;
      const float beta = plus_one ? 1.0f : 0.0f;
      const Outputs out = expect_same_everywhere(
          [&](ThreadPool& pool) {
            Problem q = p;
            std::vector<float> y(q.x.size()), rstd(static_cast<std::size_t>(q.N));
            rmsnorm_forward(pool, rows, width, q.x.data(), ld, q.weight.data(), plus_one, kEps, y.data(), ld,
                            rstd.data());
            rmsnorm_backward(pool, rows, width, q.dy.data(), ld, q.x.data(), ld, q.weight.data(), plus_one,
                             rstd.data(), beta, q.dx.data(), ld, q.d_weight.data());
            return Outputs{y, q.dx, q.d_weight};
          },
          false);
      const std::vector<double> x = to_double(p.x), weight = to_double(p.weight), dy = to_double(p.dy);
      std::vector<double> y(x.size()), rstd(static_cast<std::size_t>(N)), dx = to_double(p.dx),
                                                                          d_weight = to_double(p.d_weight);
      reference::rmsnorm_forward(rows, width, x.data(), ld, weight.data(), plus_one,
                                 static_cast<double>(kEps), y.data(), ld, rstd.data());
      reference::rmsnorm_backward(rows, width, dy.data(), ld, x.data(), ld, weight.data(), plus_one,
                                  rstd.data(), static_cast<double>(beta), dx.data(), ld, d_weight.data());
      EXPECT_LT(relative_error(out[0], y), 2e-6) << N << " x " << C;
      if (width > 1) {  // of one channel it is all but 0
        EXPECT_LT(relative_error(out[1], dx), 5e-6) << N << " x " << C;
      }
      EXPECT_LT(relative_error(out[2], d_weight), 5e-6) << N << " x " << C;
    }
  }
}

TEST(RmsNorm, ReferenceGradientIsRight) {
  const i64 N = 3, C = 5;
  const Problem p(N, C);
  const std::vector<double> dy = to_double(p.dy);
  for (const bool plus_one : {false, true}) {
    std::vector<double> all = to_double(p.x), gradient(all.size() + C);
    all.insert(all.end(), p.weight.begin(), p.weight.end());
    std::vector<double> y(N * C), rstd(N);
    reference::rmsnorm_forward(N, C, all.data(), C, all.data() + N * C, plus_one, 1e-5, y.data(), C,
                               rstd.data());
    reference::rmsnorm_backward(N, C, dy.data(), C, all.data(), C, all.data() + N * C, plus_one, rstd.data(),
                                0.0, gradient.data(), C, gradient.data() + N * C);
    check_gradient(all, gradient, [&](const std::vector<double>& v) {
      std::vector<double> out(N * C), r(N);
      reference::rmsnorm_forward(N, C, v.data(), C, v.data() + N * C, plus_one, 1e-5, out.data(), C,
                                 r.data());
      double sum = 0;
      for (std::size_t i = 0; i < out.size(); ++i) sum += out[i] * dy[i];
      return sum;
    });
  }
}

}  // namespace
}  // namespace mft::kernels::test
