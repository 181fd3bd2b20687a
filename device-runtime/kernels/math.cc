#include "kernels/math.h"

#include <bit>
#include <cstdint>
#include <limits>

namespace mft::kernels::math {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// ln 2 in two parts, the first with 32 trailing zeros, so that its products with exponents are exact
// (fdlibm).
constexpr double kLn2High = 6.93147180369123816490e-01;
constexpr double kLn2Low = 1.90821492927058770002e-10;

// pi / 2 in three parts of 33 bits: products with integers below 2^20 are exact (fdlibm).
constexpr double kHalfPi1 = 1.57079632673412561417e+00;
constexpr double kHalfPi2 = 6.07710050630396597660e-11;
constexpr double kHalfPi3 = 2.02226624871116645580e-21;

// 2^n, -1022 <= n <= 1023.
double power_of_two(int n) { return std::bit_cast<double>(static_cast<std::uint64_t>(n + 1023) << 52); }

// The nearest integer, |x| < 2^31.
int nearest(double x) { return static_cast<int>(x < 0 ? x - 0.5 : x + 0.5); }

// Taylor's series around 0 on |r| <= pi / 4: the last terms are below 1e-19.
double sine_near(double r) {
  const double z = r * r;
  double p = -1.0 / 121645100408832000.0;  // 19!
  p = p * z + 1.0 / 355687428096000.0;     // 17!
  p = p * z - 1.0 / 1307674368000.0;
  p = p * z + 1.0 / 6227020800.0;
  p = p * z - 1.0 / 39916800.0;
  p = p * z + 1.0 / 362880.0;
  p = p * z - 1.0 / 5040.0;
  p = p * z + 1.0 / 120.0;
  p = p * z - 1.0 / 6.0;
  return r + r * z * p;
}

double cosine_near(double r) {
  const double z = r * r;
  double p = 1.0 / 2432902008176640000.0;  // 20!
  p = p * z - 1.0 / 6402373705728000.0;
  p = p * z + 1.0 / 20922789888000.0;
  p = p * z - 1.0 / 87178291200.0;
  p = p * z + 1.0 / 479001600.0;
  p = p * z - 1.0 / 3628800.0;
  p = p * z + 1.0 / 40320.0;
  p = p * z - 1.0 / 720.0;
  p = p * z + 1.0 / 24.0;
  return 1.0 - (0.5 * z - z * z * p);
}

// sin(x + quarter turns * pi / 2)
double turned_sine(double x, int quarters) {
  if (!(x > -1e6 && x < 1e6)) return kNaN;
  const int n = nearest(x * 0.63661977236758134308);  // 2 / pi
  const double r = ((x - n * kHalfPi1) - n * kHalfPi2) - n * kHalfPi3;
  switch ((n + quarters) & 3) {
    case 0:
      return sine_near(r);
    case 1:
      return cosine_near(r);
    case 2:
      return -sine_near(r);
    default:
      return -cosine_near(r);
  }
}

}  // namespace

double exp(double x) {
  if (x != x) return x;
  if (x > 709.782712893383973096) return kInfinity;
  if (x < -745.2) return 0.0;
  // x = n ln 2 + r, |r| <= 0.35: Taylor's series to r^13 / 13! leaves 4e-18.
  const int n = nearest(x * 1.44269504088896338700);
  const double r = (x - n * kLn2High) - n * kLn2Low;
  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  const double y = 1.0 + (r + r * r * p);
  const int half = n / 2;  // in two factors: 2^n alone may be out of range where the result is not
  return y * power_of_two(half) * power_of_two(n - half);
}

double log(double x) {
  if (x != x || x < 0) return kNaN;
  if (x == 0) return -kInfinity;
  if (x == kInfinity) return x;
  int n = 0;
  if (x < std::numeric_limits<double>::min()) {  // subnormal
    x *= power_of_two(54);
    n = -54;
  }
  // x = 2^n m, m in [sqrt(1/2), sqrt(2)).
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x);
  n += static_cast<int>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0x000FFFFFFFFFFFFFu) | 0x3FF0000000000000u);
  if (m > 1.41421356237309504880) {
    m *= 0.5;
    n += 1;
  }
  // With s = f / (2 + f): log(1 + f) = 2 atanh(s) = f - (f^2/2 - s (f^2/2 + R)), R the series from s^2 on
  // (fdlibm's form).
  const double f = m - 1.0;
  const double s = f / (2.0 + f), z = s * s;
  double R = 2.0 / 25.0;
  R = R * z + 2.0 / 23.0;
  R = R * z + 2.0 / 21.0;
  R = R * z + 2.0 / 19.0;
  R = R * z + 2.0 / 17.0;
  R = R * z + 2.0 / 15.0;
  R = R * z + 2.0 / 13.0;
  R = R * z + 2.0 / 11.0;
  R = R * z + 2.0 / 9.0;
  R = R * z + 2.0 / 7.0;
  R = R * z + 2.0 / 5.0;
  R = R * z + 2.0 / 3.0;
  R = R * z;
  const double half_square = 0.5 * f * f;
  return n * kLn2High - ((half_square - (s * (half_square + R) + n * kLn2Low)) - f);
}

double pow(double x, double y) {
  if (y == 0) return 1.0;
  if (x == 0) return y > 0 ? 0.0 : kInfinity;
  if (x == 1.0) return 1.0;
  return exp(y * log(x));
}

double sin(double x) { return turned_sine(x, 0); }
double cos(double x) { return turned_sine(x, 1); }

}  // namespace mft::kernels::math
