// What the table of ops does not cover: each element by itself, far from 0, and NaN.
#include "kernels/activation.h"

#include "kernels/reference/rows.h"
#include "kernels/test_support.h"

namespace mft::kernels::test {
namespace {

const ActivationKind kKinds[] = {ActivationKind::kGeluTanh, ActivationKind::kSilu};

// From -100 to 100, dense around 0, with the extremes.
std::vector<float> inputs() {
  std::vector<float> x = random_vector(3000, 1, 6.0f);
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
    }, false);
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

}  // namespace
}  // namespace mft::kernels::test
