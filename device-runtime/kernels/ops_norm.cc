// Rows of layernorm_* and rmsnorm_*.
#include "kernels/gradient_check.h"
#include "kernels/norm.h"
#include "kernels/ops_table.h"
#include "kernels/reference/rows.h"

namespace mft::kernels::test {
namespace {

constexpr float kEps = 1e-5f;
using Vector = std::vector<double>;

struct Data {
  Data(i64 rows, i64 channels, i64 pad)
      : N(rows),
        C(channels),
        ld(C + pad),
        x(random_vector(N * ld, 1, 3.0f)),
        weight(random_vector(C, 2)),
        bias(random_vector(C, 3)),
        dy(random_vector(N * ld, 4)),
        dx(random_vector(N * ld, 5)),
        d_weight(random_vector(C, 6)),
        d_bias(random_vector(C, 7)) {
    for (float& value : x) value += 2.0f;  // a mean far from 0, as residual streams have
  }
  i64 N, C, ld;
  std::vector<float> x, weight, bias, dy, dx, d_weight, d_bias;
  bool parallel() const { return N * C >= 3 * 16384; }
};

struct Exact {
  explicit Exact(const Data& d)
      : x(to_double(d.x)),
        weight(to_double(d.weight)),
        bias(to_double(d.bias)),
        dy(to_double(d.dy)),
        dx(to_double(d.dx)),
        d_weight(to_double(d.d_weight)),
        d_bias(to_double(d.d_bias)),
        y(d.x.size()),
        mean(static_cast<std::size_t>(d.N)),
        rstd(mean) {}
  Vector x, weight, bias, dy, dx, d_weight, d_bias, y, mean, rstd;
};

std::vector<float> to_float(const Vector& x) { return {x.begin(), x.end()}; }

Vector joined(std::initializer_list<const Vector*> parts) {
  Vector all;
  for (const Vector* part : parts) all.insert(all.end(), part->begin(), part->end());
  return all;
}

Problem layernorm_problem(i64 N, i64 C, bool with_bias) {
  const Data d(N, C, 0);
  Exact e(d);
  reference::layernorm_forward(N, C, e.x.data(), e.weight.data(), with_bias ? e.bias.data() : nullptr,
                               static_cast<double>(kEps), e.y.data(), e.mean.data(), e.rstd.data());
  return {[=](ThreadPool& pool) {
            std::vector<float> y(d.x.size()), mean = zeros(N), rstd = mean;
            layernorm_forward(pool, N, C, d.x.data(), d.weight.data(), with_bias ? d.bias.data() : nullptr, kEps,
                              y.data(), mean.data(), rstd.data());
            return Outputs{y, mean, rstd};
          },
          {{e.y, 2e-6}, {e.mean, 1e-6}, {e.rstd, 2e-6}},
          d.parallel()};
}

// trained: the gradients of weight and bias are wanted. add: dx is added to, else it may lie where dy is.
Problem layernorm_gradient(i64 N, i64 C, bool trained, bool add) {
  const Data d(N, C, 0);
  Exact e(d);
  const auto forward = [&](const double* x, const double* weight, const double* bias) {
    reference::layernorm_forward(N, C, x, weight, bias, static_cast<double>(kEps), e.y.data(), e.mean.data(),
                                 e.rstd.data());
  };
  forward(e.x.data(), e.weight.data(), e.bias.data());
  const std::vector<float> mean = to_float(e.mean), rstd = to_float(e.rstd);
  Vector dx(e.x.size()), dw(e.weight.size()), db(dw);
  reference::layernorm_backward(N, C, e.dy.data(), e.x.data(), e.weight.data(), e.mean.data(), e.rstd.data(), 0.0,
                                dx.data(), dw.data(), db.data());
  check_gradient(joined({&e.x, &e.weight, &e.bias}), joined({&dx, &dw, &db}), [&](const Vector& v) {
    forward(v.data(), v.data() + N * C, v.data() + N * C + C);
    return dot(e.y, e.dy);
  });
  for (std::size_t i = 0; i < dx.size(); ++i) dx[i] += add ? e.dx[i] : 0.0;
  for (std::size_t i = 0; i < dw.size(); ++i) {
    dw[i] = e.d_weight[i] + (trained ? dw[i] : 0.0);
    db[i] = e.d_bias[i] + (trained ? db[i] : 0.0);
  }
  return {[=](ThreadPool& pool) {
            Data out = d;
            if (!add) out.dx = d.dy;
            layernorm_backward(pool, N, C, add ? d.dy.data() : out.dx.data(), d.x.data(), d.weight.data(),
                               mean.data(), rstd.data(), add ? 1.0f : 0.0f, out.dx.data(),
                               trained ? out.d_weight.data() : nullptr, trained ? out.d_bias.data() : nullptr);
            return Outputs{out.dx, out.d_weight, out.d_bias};
          },
          {{dx, 5e-6}, {dw, 5e-6}, {db, 2e-6}},
          d.parallel()};
}

Problem rmsnorm_problem(i64 N, i64 C, bool plus_one, i64 pad) {
  const Data d(N, C, pad);
  Exact e(d);
  e.y = e.dy;  // what lies between the rows stays
  reference::rmsnorm_forward(N, C, e.x.data(), d.ld, e.weight.data(), plus_one, static_cast<double>(kEps), e.y.data(),
                             d.ld, e.rstd.data());
  return {[=](ThreadPool& pool) {
            std::vector<float> y = d.dy, rstd = zeros(N);
            rmsnorm_forward(pool, N, C, d.x.data(), d.ld, d.weight.data(), plus_one, kEps, y.data(), d.ld,
                            rstd.data());
            return Outputs{y, rstd};
          },
          {{e.y, 2e-6}, {e.rstd, 2e-6}},
          d.parallel()};
}

Problem rmsnorm_gradient(i64 N, i64 C, bool plus_one, bool add, i64 pad) {
  const Data d(N, C, pad);
  Exact e(d);
  const auto forward = [&](const double* x, const double* weight, double* y) {
    reference::rmsnorm_forward(N, C, x, d.ld, weight, plus_one, static_cast<double>(kEps), y, d.ld, e.rstd.data());
  };
  forward(e.x.data(), e.weight.data(), e.y.data());
  const std::vector<float> rstd = to_float(e.rstd);
  Vector dx(e.x.size()), dw(e.weight.size());
  reference::rmsnorm_backward(N, C, e.dy.data(), d.ld, e.x.data(), d.ld, e.weight.data(), plus_one, e.rstd.data(),
                              0.0, dx.data(), d.ld, dw.data());
  check_gradient(joined({&e.x, &e.weight}), joined({&dx, &dw}), [&](const Vector& v) {
    Vector y(e.x.size());
    forward(v.data(), v.data() + e.x.size(), y.data());
    return dot(y, e.dy);
  });
  for (i64 n = 0; n < N; ++n) {
    for (i64 c = 0; c < d.ld; ++c) {
      const auto i = static_cast<std::size_t>(n * d.ld + c);
      dx[i] = c >= C ? e.dx[i] : dx[i] + (add ? e.dx[i] : 0.0);
    }
  }
  for (std::size_t i = 0; i < dw.size(); ++i) dw[i] = e.d_weight[i] + (add ? dw[i] : 0.0);
  return {[=](ThreadPool& pool) {
            Data out = d;
            rmsnorm_backward(pool, N, C, d.dy.data(), d.ld, d.x.data(), d.ld, d.weight.data(), plus_one, rstd.data(),
                             add ? 1.0f : 0.0f, out.dx.data(), d.ld, add ? out.d_weight.data() : nullptr);
            return Outputs{out.dx, out.d_weight};
          },
          {{dx, 5e-6}, {dw, 5e-6}},
          d.parallel()};
}

}  // namespace

void add_norm_rows(Rows& rows) {
  // Of one channel the variance is 0 and 1 / sqrt(eps) magnifies the rounding of the mean; of two the gradient of
  // LayerNorm is all but 0.
  const std::pair<i64, i64> shapes[] = {{1, 3},  {2, 4},  {3, 15},  {7, 16},  {4, 17},  {5, 33},
                                        {9, 64}, {6, 65}, {2, 130}, {3, 301}, {70, 705}};
  for (const auto& [rows_of, channels] : shapes) {
    const i64 N = rows_of, C = channels;
    const std::string name = std::to_string(N) + "x" + std::to_string(C);
    for (const bool bias : {false, true}) {
      rows.push_back({"layernorm_forward", name + (bias ? "_bias" : ""), [=] { return layernorm_problem(N, C, bias); }});
    }
    for (const bool trained : {false, true}) {
      for (const bool add : {false, true}) {
        rows.push_back({"layernorm_backward", name + (trained ? "_trained" : "_frozen") + (add ? "_add" : "_over_dy"),
                        [=] { return layernorm_gradient(N, C, trained, add); }});
      }
    }
    for (const bool plus_one : {false, true}) {
      const std::string kind = name + (plus_one ? "_plus_one" : "");
      const i64 pad = N % 2 == 0 ? 0 : 5;
      rows.push_back({"rmsnorm_forward", kind, [=] { return rmsnorm_problem(N, C, plus_one, pad); }});
      for (const bool add : {false, true}) {
        rows.push_back({"rmsnorm_backward", kind + (add ? "_add" : "_frozen"),
                        [=] { return rmsnorm_gradient(N, C, plus_one, add, pad); }});
      }
    }
  }
}

}  // namespace mft::kernels::test
