// Gradients against central differences, in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "gtest/gtest.h"

namespace mft::kernels::test {

// gradient[i] must be d f / d x[i]. Of a long x kElements elements are looked at one by one, and all together
// along one direction.
inline void check_gradient(std::vector<double> x, const std::vector<double>& gradient,
                           const std::function<double(const std::vector<double>&)>& f) {
  constexpr std::size_t kElements = 32;
  constexpr double kStep = 1e-5;
  ASSERT_EQ(x.size(), gradient.size());
  double size = 0;
  for (const double g : gradient) size = std::max(size, std::fabs(g));
  ASSERT_GT(size, 0.0);
  const std::size_t n = x.size(), stride = n / kElements + 1;
  for (std::size_t i = 0; i < n; i += stride) {
    const double old = x[i];
    x[i] = old + kStep;
    const double above = f(x);
    x[i] = old - kStep;
    const double below = f(x);
    x[i] = old;
    ASSERT_NEAR(gradient[i], (above - below) / (2 * kStep), 1e-7 * std::max(1.0, size)) << "element " << i;
  }
  if (stride == 1) return;
  // Signs from a linear congruential generator, divided by the root of n: a direction of length 1.
  std::vector<double> above = x, below = x;
  const double unit = 1 / std::sqrt(static_cast<double>(n));
  double slope = 0;
  std::uint64_t state = 1;
  for (std::size_t i = 0; i < n; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const double d = (state >> 63) != 0 ? unit : -unit;
    above[i] += kStep * d;
    below[i] -= kStep * d;
    slope += gradient[i] * d;
  }
  ASSERT_NEAR(slope, (f(above) - f(below)) / (2 * kStep), 1e-7 * std::max(1.0, size * std::sqrt(static_cast<double>(n))))
      << "along a direction";
}

}  // namespace mft::kernels::test
