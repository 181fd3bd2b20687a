#include "kernels/query_key.h"

#include "kernels/gradient_check.h"
#include "kernels/reference/query_key.h"
#include "kernels/rope.h"
#include "kernels/test_support.h"

namespace mft::kernels::test {
namespace {

struct Case {
  QueryKeyShape shape;
  bool norm, plus_one, turns;
};

constexpr Case kCases[] = {
    {{130, 3, 1, 70}, true, true, true},  {{67, 14, 2, 8}, true, false, true}, {{5, 2, 2, 256}, true, true, false},
    {{200, 4, 2, 22}, false, false, true}, {{1, 1, 1, 7}, true, false, false},
};

struct Problem {
  explicit Problem(const Case& c)
      : s(c.shape),
        qkv(random_vector(s.rows * s.width(), 1, 2.0f)),
        dy(random_vector(s.rows * s.width(), 2)),
        q_weight(random_vector(s.head_dim, 3)),
        k_weight(random_vector(s.head_dim, 4)),
        table(static_cast<std::size_t>(kPositions * s.head_dim)) {
    if (c.norm) norm = {q_weight.data(), k_weight.data(), c.plus_one, 1e-5f};
    for (i64 n = 0; n < s.rows; ++n) positions.push_back(static_cast<std::int32_t>(n * 7 % kPositions));
    if (!c.turns) return;
    rope_table(kPositions, s.head_dim, {}, table.data());
    rotation = {table.data(), kPositions, positions.data()};
  }

  static constexpr i64 kPositions = 50;
  QueryKeyShape s;
  std::vector<float> qkv, dy, q_weight, k_weight, table;
  std::vector<std::int32_t> positions;
  QueryKeyNorm norm;
  QueryKeyRotation rotation;
};

TEST(QueryKey, EqualsTheReferenceWithTheSameBitsEverywhere) {
  for (const Case& c : kCases) {
    const Problem p(c);
    const auto channels = static_cast<std::size_t>(p.s.head_dim);
    const std::vector<float> before = random_vector(p.s.head_dim, 5);
    const Outputs out = expect_same_everywhere(
        [&](ThreadPool& pool) {
          std::vector<float> y(p.qkv.size()), d = p.dy, dq = before, dk = before;
          std::vector<float> rstd(static_cast<std::size_t>(p.s.rows * (p.s.heads + p.s.kv_heads)));
          query_key_forward(pool, p.s, p.norm, p.rotation, p.qkv.data(), y.data(), rstd.data());
          std::vector<float> in_place = p.qkv;
          query_key_forward(pool, p.s, p.norm, p.rotation, in_place.data(), in_place.data(), rstd.data());
          EXPECT_TRUE(same_bits(in_place, y));
          query_key_backward(pool, p.s, p.norm, p.rotation, p.qkv.data(), rstd.data(), d.data(),
                             c.norm ? dq.data() : nullptr, c.norm ? dk.data() : nullptr);
          std::vector<float> frozen = p.dy;  // without the weights' gradients: the same
          query_key_backward(pool, p.s, p.norm, p.rotation, p.qkv.data(), rstd.data(), frozen.data(), nullptr,
                             nullptr);
          EXPECT_TRUE(same_bits(frozen, d));
          return Outputs{y, d, dq, dk};
        },
        false);
    std::vector<double> y(p.qkv.size()), d = to_double(p.dy), dq = to_double(before), dk = dq;
    const std::vector<double> x = to_double(p.qkv), qw = to_double(p.q_weight), kw = to_double(p.k_weight);
    const reference::QueryKey<double> exact{p.s, c.norm ? qw.data() : nullptr, kw.data(), c.plus_one,
                                            static_cast<double>(p.norm.eps), p.rotation};
    exact.forward(x.data(), y.data());
    exact.backward(x.data(), d.data(), dq.data(), dk.data());
    EXPECT_LT(relative_error(out[0], y), 1e-6);
    EXPECT_LT(relative_error(out[1], d), 3e-6);
    EXPECT_LT(relative_error(out[2], dq), 3e-6) << channels;
    EXPECT_LT(relative_error(out[3], dk), 3e-6) << channels;
  }
}

TEST(QueryKey, ReferenceGradientIsRight) {
  const Problem p({{3, 2, 1, 4}, true, true, true});
  const std::vector<double> dy = to_double(p.dy), kw = to_double(p.k_weight);
  const auto with = [&](const std::vector<double>& q_weight) {
    return reference::QueryKey<double>{p.s, q_weight.data(), kw.data(), true, 1e-5, p.rotation};
  };
  const auto loss = [&](const std::vector<double>& x, const std::vector<double>& q_weight) {
    std::vector<double> y(x.size());
    with(q_weight).forward(x.data(), y.data());
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * dy[i];
    return sum;
  };
  const std::vector<double> x = to_double(p.qkv), qw = to_double(p.q_weight);
  std::vector<double> d = dy, dq(qw.size()), dk(qw.size());
  with(qw).backward(x.data(), d.data(), dq.data(), dk.data());
  check_gradient(x, d, [&](const std::vector<double>& v) { return loss(v, qw); });
  check_gradient(qw, dq, [&](const std::vector<double>& v) { return loss(x, v); });
}

TEST(QueryKey, RefusesPositionsOutsideTheTable) {
  Problem p(kCases[3]);
  ThreadPool pool(1);
  p.positions[7] = 50;
  EXPECT_ANY_THROW(
      query_key_forward(pool, p.s, p.norm, p.rotation, p.qkv.data(), p.qkv.data(), nullptr));
}

// Frequencies of a model trained for 64 positions, stretched 8 times: transformers' formula, by hand.
TEST(Rope, ScalesFrequencies) {
  const i64 D = 16, T = 3;
  const double base = 10000, factor = 8, low = 1, high = 4, original = 64;
  std::vector<float> table(T * D);
  rope_table(T, D, {base, RopeFrequencies::Scaling::kLlama3, factor, low, high, original}, table.data());
  int kept = 0, divided = 0, between = 0;
  for (i64 i = 0; i < D / 2; ++i) {
    const double plain = std::pow(base, -2.0 * static_cast<double>(i) / D), wavelength = 2 * M_PI / plain;
    const double smooth = (original / wavelength - low) / (high - low);
    double expected = (1 - smooth) * plain / factor + smooth * plain;
    if (wavelength < original / high) expected = plain, ++kept;
    else if (wavelength > original / low) expected = plain / factor, ++divided;
    else ++between;
    for (i64 t = 0; t < T; ++t) {
      EXPECT_NEAR(table[static_cast<std::size_t>(t * D + i)], std::cos(static_cast<double>(t) * expected), 1e-7);
      EXPECT_NEAR(table[static_cast<std::size_t>(t * D + D / 2 + i)], std::sin(static_cast<double>(t) * expected), 1e-7);
    }
  }
  EXPECT_GT(kept, 0);
  EXPECT_GT(divided, 0);
  EXPECT_GT(between, 0);
}

}  // namespace
}  // namespace mft::kernels::test
