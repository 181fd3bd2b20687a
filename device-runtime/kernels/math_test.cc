#include "kernels/math.h"

#include <cmath>
#include <limits>

#include "kernels/test_support.h"

namespace mft::kernels::test {
namespace {

double ulps(double value, double expected) {
  const double unit = std::nextafter(std::fabs(expected), INFINITY) - std::fabs(expected);
  return std::fabs(value - expected) / unit;
}

TEST(Math, ExpAndLogAreWithinTwoUlp) {
  Random random(1);
  for (int i = 0; i < 200000; ++i) {
    const double x = static_cast<double>(random.uniform()) * (i % 2 == 0 ? 700.0 : 2.0);
    ASSERT_LE(ulps(math::exp(x), std::exp(x)), 2.0) << x;
    const double y = std::exp(x) * (1 + static_cast<double>(random.uniform()) * 0.4);
    ASSERT_LE(ulps(math::log(y), std::log(y)), 2.0) << y;
  }
  constexpr double kTiny = std::numeric_limits<double>::denorm_min();
  EXPECT_EQ(math::exp(0), 1.0);
  EXPECT_EQ(math::exp(-800), 0.0);
  EXPECT_EQ(math::exp(800), INFINITY);
  EXPECT_EQ(math::exp(INFINITY), INFINITY);
  EXPECT_EQ(math::exp(-INFINITY), 0.0);
  EXPECT_NEAR(math::exp(-744.0), std::exp(-744.0), kTiny);
  EXPECT_LE(ulps(math::exp(709.7), std::exp(709.7)), 2.0);
  EXPECT_TRUE(std::isnan(math::exp(NAN)));
  EXPECT_EQ(math::log(1), 0.0);
  EXPECT_EQ(math::log(0), -INFINITY);
  EXPECT_EQ(math::log(INFINITY), INFINITY);
  EXPECT_TRUE(std::isnan(math::log(-1)));
  EXPECT_LE(ulps(math::log(kTiny), std::log(kTiny)), 2.0);
}

TEST(Math, SineCosineAndPowerAreClose) {
  Random random(2);
  for (int i = 0; i < 200000; ++i) {
    const double x = static_cast<double>(random.uniform()) * (i % 2 == 0 ? 4.0 : 999999.0);
    ASSERT_NEAR(math::sin(x), std::sin(x), 1e-15) << x;
    ASSERT_NEAR(math::cos(x), std::cos(x), 1e-15) << x;
    const double base = 1.0 + static_cast<double>(random.uniform()) * 0.999,
                 exponent = static_cast<double>(random.uniform()) * 30;
    const double expected = std::pow(base, exponent);
    ASSERT_NEAR(math::pow(base, exponent), expected, 1e-13 * expected) << base << " " << exponent;
  }
  EXPECT_EQ(math::pow(0.999, 0), 1.0);
  EXPECT_EQ(math::pow(0, 2), 0.0);
  EXPECT_NEAR(math::pow(0.999, 10000), std::pow(0.999, 10000), 1e-17);
  EXPECT_TRUE(std::isnan(math::sin(2e6)));
  EXPECT_TRUE(std::isnan(math::cos(NAN)));
}

}  // namespace
}  // namespace mft::kernels::test
