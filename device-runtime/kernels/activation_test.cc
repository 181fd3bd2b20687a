#include "kernels/activation.h"

#include "kernels/gradient_check.h"
#include "kernels/reference/rows.h"
#include "kernels/test_support.h"

namespace mft::kernels::test {
namespace {

const ActivationKind kKinds[] = {ActivationKind::kGeluTanh, ActivationKind::kSilu};

// From -100 to 100, dense around 0, with the extremes.
std::vector<float> inputs() {
  std::vector<float> x = random_vector(70001, 1, 6.0f);
  for (int i = -400; i <= 400; ++i) x.push_back(static_cast<float>(i) * 0.25f);
  for (const float extreme : {0.0f, -0.0f, 1e-30f, -1e-30f, 1e10f, -1e10f, 1e20f, -1e20f})
    x.push_back(extreme);
  return x;
}

TEST(Activation, EqualsTheReferenceElementByElement) {
  const std::vector<float> x = inputs(), dy = random_vector(static_cast<i64>(x.size()), 2);
  const i64 n = static_cast<i64>(x.size());
  for (const ActivationKind kind : kKinds) {
    const Outputs out = expect_same_everywhere([&](ThreadPool& pool) {
      std::vector<float> y(x.size()), dx = dy;
      activation_forward(pool, kind, n, x.data(), y.data());
      activation_backward(pool, kind, n, x.data(), dx.data(), dx.data());
      return Outputs{y, dx};
    });
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double v = static_cast<double>(x[i]), d = static_cast<double>(dy[i]);
      if (std::fabs(v) > 1e9) {  // the cubes overflow on both sides: only the limits count
        EXPECT_NEAR(static_cast<double>(out[0][i]), v > 0 ? v : 0.0, 1e-17) << v;  // e^-x ends at e^88
        continue;
      }
      const double y = reference::activation(kind, v), slope = reference::activation_derivative(kind, v);
      ASSERT_NEAR(static_cast<double>(out[0][i]), y, 1e-6 * std::fabs(y) + 1e-7) << v;
      ASSERT_NEAR(static_cast<double>(out[1][i]), slope * d, 2e-6 * std::fabs(d) + 1e-9) << v;
    }
  }
}

TEST(Activation, NaNStaysNaN) {
  ThreadPool pool(1);
  const IsaGuard guard;
  for (const std::string_view name : available_isas()) {
    set_isa(name);
    for (const ActivationKind kind : kKinds) {
      float x = NAN, y = 0;
      activation_forward(pool, kind, 1, &x, &y);
      EXPECT_TRUE(std::isnan(y)) << name;
    }
  }
}

TEST(Activation, ReferenceGradientIsRight) {
  for (const ActivationKind kind : kKinds) {
    std::vector<double> x, gradient;
    for (int i = -20; i <= 20; ++i) {
      x.push_back(0.3 * i);
      gradient.push_back(reference::activation_derivative(kind, x.back()));
    }
    check_gradient(x, gradient, [&](const std::vector<double>& v) {
      double sum = 0;
      for (const double value : v) sum += reference::activation(kind, value);
      return sum;
    });
  }
}

TEST(GatedActivation, EqualsTheReferenceWithTheSameBitsEverywhere) {
  const i64 N = 77, F = 301, ld = 2 * F + 3, ldy = F + 2;
  const std::vector<float> fused = random_vector(N * ld, 1, 4.0f), dy = random_vector(N * ldy, 2);
  for (const ActivationKind kind : kKinds) {
    const Outputs out = expect_same_everywhere(
        [&](ThreadPool& pool) {
          std::vector<float> y(dy.size()), d_fused(fused.size()), in_place = fused;
          gated_forward(pool, kind, N, F, fused.data(), fused.data() + F, ld, y.data(), ldy);
          gated_backward(pool, kind, N, F, fused.data(), fused.data() + F, ld, dy.data(), ldy, d_fused.data(),
                         d_fused.data() + F, ld);
          gated_backward(pool, kind, N, F, in_place.data(), in_place.data() + F, ld, dy.data(), ldy,
                         in_place.data(), in_place.data() + F, ld);
          for (i64 n = 0; n < N; ++n) std::fill_n(in_place.begin() + n * ld + 2 * F, 3, 0.0f);
          EXPECT_TRUE(same_bits(d_fused, in_place));
          return Outputs{y, d_fused};
        },
        false);
    std::vector<double> x = to_double(fused), d = to_double(dy), y(dy.size()), d_fused(fused.size());
    reference::gated_forward(kind, N, F, x.data(), x.data() + F, ld, y.data(), ldy);
    reference::gated_backward(kind, N, F, x.data(), x.data() + F, ld, d.data(), ldy, d_fused.data(),
                              d_fused.data() + F, ld);
    EXPECT_LT(relative_error(out[0], y), 2e-6);
    EXPECT_LT(relative_error(out[1], d_fused), 2e-6);
  }
}

TEST(GatedActivation, ReferenceGradientIsRight) {
  const i64 N = 2, F = 3;
  for (const ActivationKind kind : kKinds) {
    const std::vector<double> x = to_double(random_vector(N * 2 * F, 1, 2.0f)),
                              dy = to_double(random_vector(N * F, 2));
    std::vector<double> gradient(x.size());
    reference::gated_backward(kind, N, F, x.data(), x.data() + F, 2 * F, dy.data(), F, gradient.data(),
                              gradient.data() + F, 2 * F);
    check_gradient(x, gradient, [&](const std::vector<double>& v) {
      std::vector<double> y(dy.size());
      reference::gated_forward(kind, N, F, v.data(), v.data() + F, 2 * F, y.data(), F);
      double sum = 0;
      for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * dy[i];
      return sum;
    });
  }
}

}  // namespace
}  // namespace mft::kernels::test
