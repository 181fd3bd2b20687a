// Rows of adamw and the constants of its steps.
#include "kernels/adamw.h"
#include "kernels/ops_table.h"
#include "kernels/reference/rows.h"

namespace mft::kernels::test {
namespace {

using Vector = std::vector<double>;
constexpr double kRate = 3e-3, kBeta1 = 0.9, kBeta2 = 0.999, kEps = 1e-8;

// Steps first .. first + 2 of n parameters; the last one clears the gradient if `zero`.
Problem steps_problem(i64 n, i64 first, double decay, double scale, bool zero) {
  const bool warm = first > 1;
  const std::vector<float> start = random_vector(n, 1), m0 = warm ? random_vector(n, 2, 0.1f) : zeros(n);
  std::vector<float> v0 = warm ? random_vector(n, 3, 0.01f) : zeros(n);
  for (float& x : v0) x = std::fabs(x);
  const auto gradient = [n](i64 t) { return random_vector(n, static_cast<std::uint64_t>(t + 10)); };
  Vector p = to_double(start), m = to_double(m0), v = to_double(v0);
  for (i64 t = first; t < first + 3; ++t) {
    reference::adamw(n, kRate, kBeta1, kBeta2, kEps, decay, t, scale, p.data(), to_double(gradient(t)).data(),
                     m.data(), v.data());
  }
  const Vector left = zero ? zeros<double>(n) : to_double(gradient(first + 2));
  return {[=](ThreadPool& pool) {
            std::vector<float> out = start, m1 = m0, v1 = v0, g;
            for (i64 t = first; t < first + 3; ++t) {
              g = gradient(t);
              adamw(pool, n, adamw_step(kRate, kBeta1, kBeta2, kEps, decay, t, scale), out.data(), g.data(), m1.data(),
                    v1.data(), zero && t == first + 2);
            }
            return Outputs{out, m1, v1, g};
          },
          {{p, 1e-6}, {m, 1e-6}, {v, 1e-6}, {left, 0}},
          n >= 3 * 16384};
}

Problem constants_problem(i64 t, double decay) {
  const double root = std::sqrt(1 - std::pow(kBeta2, static_cast<double>(t)));
  return {[=](ThreadPool&) {
            const AdamWStep s = adamw_step(kRate, kBeta1, kBeta2, kEps, decay, t, 0.5);
            return Outputs{{s.beta1, s.one_minus_beta1, s.beta2, s.decay, s.gradient_scale},
                           {s.one_minus_beta2},
                           {s.rate},
                           {s.inverse_root},
                           {s.eps}};
          },
          {{{kBeta1, 1 - kBeta1, kBeta2, 1 - kRate * decay, 0.5}, 1e-7},
           {{1 - kBeta2}, 1e-7},
           {{kRate / (1 - std::pow(kBeta1, static_cast<double>(t)))}, 1e-7},
           {{1 / root}, 1e-7},
           {{kEps}, 1e-7}}};
}

}  // namespace

void add_optimizer_rows(Rows& rows) {
  for (const i64 n : {1, 15, 16, 17, 33, 1000, 50001}) {
    for (const bool zero : {false, true}) {
      const std::string name = std::to_string(n) + (zero ? "_clears" : "");
      rows.push_back({"adamw", name, [=] { return steps_problem(n, 1, 0.1, 1.0, zero); }});
      rows.push_back({"adamw", name + "_clipped_later", [=] { return steps_problem(n, 500, 0.0, 0.7, zero); }});
    }
  }
  for (const i64 t : {1, 2, 10, 1000, 100000}) {
    for (const double decay : {0.0, 0.1}) {
      rows.push_back({"adamw_step", std::to_string(t) + (decay > 0 ? "_decay" : ""),
                      [=] { return constants_problem(t, decay); }});
    }
  }
}

}  // namespace mft::kernels::test
