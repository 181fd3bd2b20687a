// Rows of activation_* and gated_*.
#include "kernels/activation.h"
#include "kernels/gradient_check.h"
#include "kernels/ops_table.h"
#include "kernels/reference/rows.h"

namespace mft::kernels::test {
namespace {

constexpr struct {
  ActivationKind kind;
  const char* name;
} kKinds[] = {{ActivationKind::kGeluTanh, "gelu"}, {ActivationKind::kSilu, "silu"}};

// Beyond one tile of 16384 elements for each worker.
constexpr i64 kParallel = 50001;

Problem activation_problem(ActivationKind kind, i64 n) {
  const std::vector<float> x = random_vector(n, 1, 6.0f);
  std::vector<double> y(x.size());
  reference::activation_forward(kind, n, to_double(x).data(), y.data());
  return {[=](ThreadPool& pool) {
            std::vector<float> out(x.size()), in_place = x;
            activation_forward(pool, kind, n, x.data(), out.data());
            activation_forward(pool, kind, n, in_place.data(), in_place.data());
            return Outputs{out, in_place};
          },
          {{y, 1e-6}, {y, 1e-6}},
          n >= kParallel};
}

Problem activation_gradient(ActivationKind kind, i64 n) {
  const std::vector<float> x = random_vector(n, 1, 4.0f), dy = random_vector(n, 2);
  const std::vector<double> exact_x = to_double(x), exact_dy = to_double(dy);
  std::vector<double> dx(x.size());
  reference::activation_backward(kind, n, exact_x.data(), exact_dy.data(), dx.data());
  check_gradient(exact_x, dx, [&](const std::vector<double>& v) {
    std::vector<double> y(v.size());
    reference::activation_forward(kind, n, v.data(), y.data());
    return dot(y, exact_dy);
  });
  return {[=](ThreadPool& pool) {
            std::vector<float> apart(x.size()), in_place = dy;
            activation_backward(pool, kind, n, x.data(), dy.data(), apart.data());
            activation_backward(pool, kind, n, x.data(), in_place.data(), in_place.data());
            return Outputs{apart, in_place};
          },
          {{dx, 2e-6}, {dx, 2e-6}},
          n >= kParallel};
}

struct Gated {
  Gated(i64 rows, i64 width)
      : N(rows),
        F(width),
        ld(2 * F + 3),
        ldy(F + 2),
        fused(random_vector(N * ld, 1, 4.0f)),
        dy(random_vector(N * ldy, 2)) {}
  i64 N, F, ld, ldy;
  std::vector<float> fused, dy;
  bool parallel() const { return N * F >= kParallel; }
};

Problem gated_problem(ActivationKind kind, i64 N, i64 F) {
  const Gated g(N, F);
  const std::vector<double> x = to_double(g.fused);
  std::vector<double> y = to_double(g.dy);  // what lies between the rows stays
  reference::gated_forward(kind, N, F, x.data(), x.data() + F, g.ld, y.data(), g.ldy);
  return {[=](ThreadPool& pool) {
            std::vector<float> out = g.dy;
            gated_forward(pool, kind, N, F, g.fused.data(), g.fused.data() + F, g.ld, out.data(), g.ldy);
            return Outputs{out};
          },
          {{y, 2e-6}},
          g.parallel()};
}

Problem gated_gradient(ActivationKind kind, i64 N, i64 F) {
  const Gated g(N, F);
  const std::vector<double> x = to_double(g.fused), dy = to_double(g.dy);
  std::vector<double> dx(x.size());
  reference::gated_backward(kind, N, F, x.data(), x.data() + F, g.ld, dy.data(), g.ldy, dx.data(), dx.data() + F,
                            g.ld);
  check_gradient(x, dx, [&](const std::vector<double>& v) {
    std::vector<double> y(dy.size());
    reference::gated_forward(kind, N, F, v.data(), v.data() + F, g.ld, y.data(), g.ldy);
    return dot(y, dy);
  });
  return {[=](ThreadPool& pool) {
            std::vector<float> apart(g.fused.size()), in_place = g.fused;
            const float* const fused = g.fused.data();
            gated_backward(pool, kind, N, F, fused, fused + F, g.ld, g.dy.data(), g.ldy, apart.data(),
                           apart.data() + F, g.ld);
            gated_backward(pool, kind, N, F, in_place.data(), in_place.data() + F, g.ld, g.dy.data(), g.ldy,
                           in_place.data(), in_place.data() + F, g.ld);
            for (i64 n = 0; n < N; ++n) std::fill_n(in_place.begin() + n * g.ld + 2 * F, 3, 0.0f);
            return Outputs{apart, in_place};
          },
          {{dx, 2e-6}, {dx, 2e-6}},
          g.parallel()};
}

}  // namespace

void add_activation_rows(Rows& rows) {
  for (const auto& [kind, name] : kKinds) {
    for (const i64 n : {1, 2, 15, 16, 17, 31, 33, 257, 1000, 50001}) {
      const std::string row = std::string(name) + "_" + std::to_string(n);
      rows.push_back({"activation_forward", row, [=, k = kind] { return activation_problem(k, n); }});
      rows.push_back({"activation_backward", row, [=, k = kind] { return activation_gradient(k, n); }});
    }
    for (const auto& [N, F] : std::vector<std::pair<i64, i64>>{
             {1, 1}, {3, 5}, {2, 16}, {7, 15}, {5, 17}, {4, 33}, {9, 100}, {61, 900}}) {
      const std::string row = std::string(name) + "_" + std::to_string(N) + "x" + std::to_string(F);
      rows.push_back({"gated_forward", row, [k = kind, N = N, F = F] { return gated_problem(k, N, F); }});
      rows.push_back({"gated_backward", row, [k = kind, N = N, F = F] { return gated_gradient(k, N, F); }});
    }
  }
}

}  // namespace mft::kernels::test
