#include "kernels/adamw.h"

#include <cmath>

#include "kernels/check.h"
#include "kernels/math.h"
#include "kernels/parallel.h"
#include "kernels/simd/table.h"

namespace mft::kernels {

AdamWStep adamw_step(double learning_rate, double beta1, double beta2, double eps, double weight_decay, i64 t,
                     double gradient_scale) {
  check_that(t >= 1 && beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1 && eps >= 0, "kernels.adamw",
             "adamw: t counts from 1, the betas lie in [0, 1), eps is not negative");
  const auto f = [](double x) { return static_cast<float>(x); };
  const double n = static_cast<double>(t);
  AdamWStep step{};
  step.beta1 = f(beta1);
  step.one_minus_beta1 = f(1 - beta1);
  step.beta2 = f(beta2);
  step.one_minus_beta2 = f(1 - beta2);
  step.eps = f(eps);
  step.decay = f(1 - learning_rate * weight_decay);
  step.rate = f(learning_rate / (1 - math::pow(beta1, n)));
  step.inverse_root = f(1 / std::sqrt(1 - math::pow(beta2, n)));  // sqrt is correctly rounded everywhere
  step.gradient_scale = f(gradient_scale);
  return step;
}

void adamw(ThreadPool& pool, i64 n, const AdamWStep& step, float* parameter, float* gradient, float* m,
           float* v, bool zero_gradient) {
  for_stretches(pool, n, [&, &isa = table()](i64 i, i64 count) {
    isa.adamw(count, step, parameter + i, gradient + i, m + i, v + i, zero_gradient);
  });
}

}  // namespace mft::kernels
