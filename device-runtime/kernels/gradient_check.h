// Gradients against central differences, in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "gtest/gtest.h"

namespace mft::kernels::test {

// gradient[i] must be d f / d x[i].
inline void check_gradient(std::vector<double> x, const std::vector<double>& gradient,
                           const std::function<double(const std::vector<double>&)>& f) {
  ASSERT_EQ(x.size(), gradient.size());
  double size = 0;
  for (const double g : gradient) size = std::max(size, std::fabs(g));
  ASSERT_GT(size, 0.0);
  for (std::size_t i = 0; i < x.size(); ++i) {
    constexpr double kStep = 1e-5;
    const double old = x[i];
    x[i] = old + kStep;
    const double above = f(x);
    x[i] = old - kStep;
    const double below = f(x);
    x[i] = old;
    ASSERT_NEAR(gradient[i], (above - below) / (2 * kStep), 1e-7 * std::max(1.0, size)) << "element " << i;
  }
}

}  // namespace mft::kernels::test
