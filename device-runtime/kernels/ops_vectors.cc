// Rows of the vector operations: sums, conversions, dropout.
#include <memory>

#include "kernels/dropout.h"
#include "kernels/elementwise.h"
#include "kernels/gradient_check.h"
#include "kernels/ops_table.h"
#include "kernels/reference/dropout.h"
#include "kernels/reference/rows.h"
#include "kernels/stored_weights.h"

namespace mft::kernels::test {
namespace {

using Vector = std::vector<double>;
constexpr i64 kParallel = 50003;  // beyond one tile of 16384 elements for each worker

// Of one operation the sum in f32 is exact to its last place: what the oracle rounds.
Problem add_problem(i64 n) {
  const std::vector<float> a = random_vector(n, 1), b = random_vector(n, 2);
  Vector sum;
  for (std::size_t i = 0; i < a.size(); ++i) sum.push_back(static_cast<double>(a[i] + b[i]));
  return {[=](ThreadPool& pool) {
            std::vector<float> apart = zeros(n), in_place = a;
            add(pool, n, a.data(), b.data(), apart.data());
            add(pool, n, in_place.data(), b.data(), in_place.data());
            return Outputs{apart, in_place};
          },
          {{sum, 0}, {sum, 0}},
          n >= kParallel};
}

Problem scale_problem(i64 n) {
  const std::vector<float> x = random_vector(n, 1);
  Vector y;
  for (const float value : x) y.push_back(static_cast<double>(value * 0.3f));
  return {[=](ThreadPool& pool) {
            std::vector<float> apart = zeros(n), in_place = x;
            scale(pool, n, 0.3f, x.data(), apart.data());
            scale(pool, n, 0.3f, in_place.data(), in_place.data());
            return Outputs{apart, in_place};
          },
          {{y, 0}, {y, 0}},
          n >= kParallel};
}

Problem fill_problem(i64 n) {
  return {[=](ThreadPool& pool) {
            std::vector<float> x = random_vector(n + 1, 1);
            x.back() = 9.0f;  // is beyond
            fill(pool, n, 2.5f, x.data());
            return Outputs{{x.begin(), x.end() - 1}, {x.back()}};
          },
          {{Vector(static_cast<std::size_t>(n), 2.5), 0}, {{9.0}, 0}},
          n >= kParallel};
}

Problem convert_problem(DType dtype, i64 rows, i64 columns) {
  const auto x = std::make_shared<StoredWeights>(stored_weights(dtype, rows, columns, 1));
  return {[=](ThreadPool& pool) {
            std::vector<float> y = zeros(rows * columns);
            convert(pool, rows, *x, y.data());
            return Outputs{y};
          },
          {{to_double(x->values), 0}},
          false};
}

Problem column_problem(i64 N, i64 C, i64 pad) {
  const i64 ld = C + pad;
  const std::vector<float> dy = random_vector(N * ld, 1), start = random_vector(C, 2);
  const Vector exact = to_double(dy);
  Vector gradient(start.size());
  reference::bias_gradient(N, C, exact.data(), ld, gradient.data());
  check_gradient(to_double(start), gradient, [&](const Vector& bias) {  // y = x + bias, the loss dy . y
    double loss = 0;
    for (i64 n = 0; n < N; ++n) {
      for (i64 c = 0; c < C; ++c)
        loss += exact[static_cast<std::size_t>(n * ld + c)] * bias[static_cast<std::size_t>(c)];
    }
    return loss;
  });
  for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] += static_cast<double>(start[i]);
  return {[=](ThreadPool& pool) {
            std::vector<float> d_bias = start;
            bias_gradient(pool, N, C, dy.data(), ld, d_bias.data());
            return Outputs{d_bias};
          },
          {{gradient, 2e-6}},
          C >= 3 * 64};
}

Problem squares_problem(i64 n) {
  const std::vector<float> x = random_vector(n, 3);
  return {[=](ThreadPool& pool) {
            const double sum = sum_of_squares(pool, n, x.data());
            // as two floats, so that all its bits are compared between machines
            const auto high = static_cast<float>(sum);
            return Outputs{{high}, {high, static_cast<float>(sum - static_cast<double>(high))}};
          },
          {{{reference::sum_of_squares(n, x.data())}, 1e-6}, {{reference::sum_of_squares(n, x.data()), 0.0}, 1e-6}},
          n >= 3 * 65536};
}

DropoutSite site_of(float probability) {
  DropoutSite site;
  site.seed = 0x123456789ABCDEF0;
  site.step = 17;
  site.micro_batch = 2;
  site.layer = 5;
  site.site = 3;
  site.probability = probability;
  return site;
}

// The mask is linear: the backward is the same function of dy, which the numeric gradient shows.
Problem dropout_problem(float probability, i64 n) {
  const DropoutSite site = site_of(probability);
  const std::vector<float> x = random_vector(n, 1);
  Vector y, factors;
  for (std::size_t i = 0; i < x.size(); ++i) {
    factors.push_back(reference::keep_factor(site, static_cast<i64>(i)));
    y.push_back(static_cast<double>(x[i] * static_cast<float>(factors.back())));
  }
  return {[=](ThreadPool& pool) {
            std::vector<float> apart = zeros(n), in_place = x;
            dropout(pool, n, x.data(), apart.data(), site);
            dropout(pool, n, in_place.data(), in_place.data(), site);
            return Outputs{apart, in_place};
          },
          {{y, 0}, {y, 0}},
          n >= kParallel};
}

// Words as two halves, which f32 holds exactly.
Problem philox_problem(std::uint64_t block) {
  const DropoutSite site = site_of(0.1f);
  Vector halves;
  for (i64 i = 0; i < 4; ++i) {
    const std::uint32_t word = reference::random_word(site, static_cast<i64>(block * 4) + i);
    halves.push_back(word >> 16);
    halves.push_back(word & 0xFFFF);
  }
  return {[=](ThreadPool&) {
            std::uint32_t words[4];
            philox(site, block, words);
            std::vector<float> out;
            for (const std::uint32_t word : words) {
              out.push_back(static_cast<float>(word >> 16));
              out.push_back(static_cast<float>(word & 0xFFFF));
            }
            return Outputs{out};
          },
          {{halves, 0}}};
}

}  // namespace

void add_vector_rows(Rows& rows) {
  for (const i64 n : {1, 3, 15, 16, 17, 63, 65, 1000, 50003}) {
    const std::string name = std::to_string(n);
    rows.push_back({"add", name, [=] { return add_problem(n); }});
    rows.push_back({"scale", name, [=] { return scale_problem(n); }});
    rows.push_back({"fill", name, [=] { return fill_problem(n); }});
    for (const int percent : {0, 10, 90}) {
      rows.push_back({"dropout", name + "_" + std::to_string(percent),
                      [=] { return dropout_problem(static_cast<float>(percent) / 100.0f, n); }});
    }
  }
  for (const i64 n : {1, 17, 1000, 70001, 200003}) {
    rows.push_back({"sum_of_squares", std::to_string(n), [=] { return squares_problem(n); }});
  }
  for (const DType dtype : kStorageTypes) {
    for (const auto& [N, C] : std::vector<std::pair<i64, i64>>{{1, 1}, {1, 70}, {3, 5}, {7, 16}, {5, 33}, {9, 100}, {4, 257}}) {
      rows.push_back({"convert", std::string(storage_name(dtype)) + "_" + std::to_string(N) + "x" + std::to_string(C),
                      [=, N = N, C = C] { return convert_problem(dtype, N, C); }});
    }
  }
  for (const auto& [N, C] : std::vector<std::pair<i64, i64>>{{1, 1}, {3, 15}, {64, 17}, {65, 63}, {130, 65}, {33, 300}}) {
    for (const i64 pad : {0, 3}) {
      rows.push_back({"bias_gradient", std::to_string(N) + "x" + std::to_string(C) + (pad > 0 ? "_wide" : ""),
                      [=, N = N, C = C] { return column_problem(N, C, pad); }});
    }
  }
  for (const std::uint64_t block : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{77}, (std::uint64_t{1} << 32) - 1}) {
    rows.push_back({"philox", std::to_string(block), [=] { return philox_problem(block); }});
  }
}

}  // namespace mft::kernels::test
