// Sums, conversions, dropout, embeddings, rotation, AdamW.
#include "kernels/adamw.h"
#include "kernels/dropout.h"
#include "kernels/elementwise.h"
#include "kernels/embedding.h"
#include "kernels/gradient_check.h"
#include "kernels/reference/dropout.h"
#include "kernels/reference/rows.h"
#include "kernels/rope.h"
#include "kernels/test_support.h"

namespace mft::kernels::test {
namespace {

TEST(Elementwise, AddScaleFill) {
  const i64 n = 70003;
  const std::vector<float> a = random_vector(n, 1), b = random_vector(n, 2);
  const Outputs out = expect_same_everywhere([&](ThreadPool& pool) {
    std::vector<float> sum = a, scaled(a.size()), filled(a.size());
    add(pool, n, sum.data(), b.data(), sum.data());
    scale(pool, n, 0.3f, a.data(), scaled.data());
    fill(pool, n, 2.5f, filled.data());
    return Outputs{sum, scaled, filled};
  });
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(out[0][i], a[i] + b[i]);
    ASSERT_EQ(out[1][i], a[i] * 0.3f);
    ASSERT_EQ(out[2][i], 2.5f);
  }
}

// Every f16 and bf16 there is, against the definition.
TEST(Elementwise, ConvertsAllHalves) {
  std::vector<std::uint16_t> bits(65536);
  for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<std::uint16_t>(i);
  const IsaGuard guard;
  ThreadPool pool(1);
  for (const std::string_view name : available_isas()) {
    set_isa(name);
    std::vector<float> f16(bits.size()), bf16(bits.size());
    convert(pool, 1, {bits.data(), DType::kF16, 65536}, f16.data());
    convert(pool, 1, {bits.data(), DType::kBF16, 65536}, bf16.data());
    for (std::uint32_t i = 0; i < 65536; ++i) {
      const std::uint32_t wide = i << 16;
      float expected = 0;
      std::memcpy(&expected, &wide, 4);
      ASSERT_EQ(std::isnan(bf16[i]), std::isnan(expected)) << name << " " << i;
      if (!std::isnan(expected)) {
        ASSERT_EQ(bf16[i], expected) << name << " " << i;
      }
      const std::uint32_t exponent = i >> 10 & 31, mantissa = i & 0x3FF;
      double value = exponent == 0 ? std::ldexp(mantissa, -24)
                                   : std::ldexp(1024 + mantissa, static_cast<int>(exponent) - 25);
      if (exponent == 31) {
        if (mantissa != 0) {
          ASSERT_TRUE(std::isnan(f16[i])) << name << " " << i;
          continue;
        }
        value = INFINITY;
      }
      ASSERT_EQ(static_cast<double>(f16[i]), i >> 15 != 0 ? -value : value) << name << " " << i;
    }
  }
}

TEST(Sums, BiasGradientAndSumOfSquares) {
  for (const auto& [N, C] : {std::pair<i64, i64>{1, 1}, {333, 517}, {64, 256}, {65, 300}}) {
    const std::vector<float> dy = random_vector(N * (C + 3), 1), start = random_vector(C, 2);
    const Outputs out = expect_same_everywhere(
        [&](ThreadPool& pool) {
          std::vector<float> d_bias = start;
          bias_gradient(pool, N, C, dy.data(), C + 3, d_bias.data());
          return Outputs{d_bias};
        },
        C >= 256);
    std::vector<double> expected = to_double(start);
    const std::vector<double> x = to_double(dy);
    reference::bias_gradient(N, C, x.data(), C + 3, expected.data());
    EXPECT_LT(relative_error(out[0], expected), 2e-6);
  }
  const i64 n = 300007;
  const std::vector<float> x = random_vector(n, 3);
  const Outputs out = expect_same_everywhere([&](ThreadPool& pool) {
    const double sum = sum_of_squares(pool, n, x.data());
    std::vector<float> bits(2);
    std::memcpy(bits.data(), &sum, sizeof(sum));
    return Outputs{bits};
  });
  double sum = 0;
  std::memcpy(&sum, out[0].data(), sizeof(sum));
  EXPECT_NEAR(sum / reference::sum_of_squares(n, x.data()), 1.0, 1e-6);
}

TEST(Philox, GivesThePublishedNumbers) {
  // Random123's known answers for philox4x32-10 (kat_vectors of the authors' library).
  const struct {
    std::uint32_t key[2], counter[4], out[4];
  } cases[] = {
      {{0, 0}, {0, 0, 0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff},
       {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0xa4093822, 0x299f31d0},
       {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (const auto& c : cases) {
    std::uint32_t out[4];
    reference::philox(c.key, c.counter, out);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(out[i], c.out[i]);
    DropoutSite site;
    site.seed = std::uint64_t{c.key[1]} << 32 | c.key[0];
    site.step = c.counter[1];
    site.micro_batch = c.counter[2];
    site.layer = c.counter[3] >> 8;
    site.site = c.counter[3] & 0xFF;
    philox(site, c.counter[0], out);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(out[i], c.out[i]);
  }
}

TEST(Dropout, EqualsTheReferenceAndKeepsItsShare) {
  DropoutSite site;
  site.seed = 0x123456789ABCDEF0;
  site.step = 17;
  site.micro_batch = 2;
  site.layer = 5;
  site.site = 3;
  const i64 n = 70005;
  const std::vector<float> x = random_vector(n, 1);
  for (const float p : {0.0f, 0.1f, 0.9f}) {
    site.probability = p;
    const Outputs out = expect_same_everywhere([&](ThreadPool& pool) {
      std::vector<float> y(x.size());
      dropout(pool, n, x.data(), y.data(), site);
      return Outputs{y};
    });
    i64 kept = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(out[0][i], x[i] * static_cast<float>(reference::keep_factor(site, static_cast<i64>(i)))) << i;
      kept += out[0][i] != 0.0f;
    }
    EXPECT_NEAR(static_cast<double>(kept) / static_cast<double>(n), 1.0 - static_cast<double>(p), 0.005);
  }
}

TEST(Embedding, LooksUpAndAddsBack) {
  const i64 N = 200, C = 300, rows = 37;
  std::vector<std::int32_t> ids;
  Random random(1);
  for (i64 n = 0; n < N; ++n) ids.push_back(static_cast<std::int32_t>(random.below(rows)));
  const std::vector<float> values = random_vector(rows * C, 2), start = random_vector(N * C, 3);
  const Outputs out = expect_same_everywhere([&](ThreadPool& pool) {
    std::vector<float> y = start, z = start, gradient = values;
    embedding_forward(pool, N, C, ids.data(), values.data(), rows, 0.0f, y.data());
    embedding_forward(pool, N, C, ids.data(), values.data(), rows, 1.0f, z.data());
    embedding_backward(pool, N, C, ids.data(), start.data(), rows, gradient.data());
    return Outputs{y, z, gradient};
  });
  const std::vector<double> table = to_double(values), d_out = to_double(start);
  std::vector<double> y = d_out, z = d_out, gradient = table;
  reference::embedding_forward(N, C, ids.data(), table.data(), 0.0, y.data());
  reference::embedding_forward(N, C, ids.data(), table.data(), 1.0, z.data());
  reference::embedding_backward(N, C, ids.data(), d_out.data(), gradient.data());
  EXPECT_LT(relative_error(out[0], y), 1e-9);
  EXPECT_LT(relative_error(out[1], z), 1e-6);
  EXPECT_LT(relative_error(out[2], gradient), 1e-6);

  ThreadPool pool(1);
  std::vector<float> one(static_cast<std::size_t>(C));
  for (const std::int32_t bad : {-1, 37}) {
    EXPECT_ANY_THROW(embedding_forward(pool, 1, C, &bad, values.data(), rows, 0.0f, one.data()));
    EXPECT_ANY_THROW(embedding_backward(pool, 1, C, &bad, one.data(), rows, one.data()));
  }
}

TEST(Rope, EqualsTheReferenceAndTurnsBack) {
  const i64 N = 90, heads = 3, D = 38, T = 50, ld = heads * D + 7;
  std::vector<float> angles(static_cast<std::size_t>(T * D));
  rope_table(T, D, {.scaling = RopeFrequencies::Scaling::kLinear, .factor = 2.0}, angles.data());
  std::vector<double> exact(angles.size());
  reference::rope_table(T, D, 10000.0, 0.5, exact.data());
  EXPECT_LT(relative_error(angles, exact), 1e-7);
  const std::vector<float> x = random_vector(N * ld, 1);
  std::vector<std::int32_t> positions;
  for (i64 n = 0; n < N; ++n) positions.push_back(static_cast<std::int32_t>((n * 7) % T));
  for (const std::int32_t* at :
       {static_cast<const std::int32_t*>(nullptr), static_cast<const std::int32_t*>(positions.data())}) {
    const Outputs out = expect_same_everywhere(
        [&](ThreadPool& pool) {
          std::vector<float> turned = x;
          rope(pool, N, heads, D, T, angles.data(), at, false, turned.data(), ld);
          std::vector<float> back = turned;
          rope(pool, N, heads, D, T, angles.data(), at, true, back.data(), ld);
          return Outputs{turned, back};
        },
        false);
    std::vector<double> expected = to_double(x);
    const std::vector<double> table = to_double(angles);
    reference::rope(N, heads, D, T, table.data(), at, false, expected.data(), ld);
    EXPECT_LT(relative_error(out[0], expected), 1e-6);
    EXPECT_LT(relative_error(out[1], to_double(x)), 1e-6);
  }
}

// The inverse rotation is the gradient of the rotation.
TEST(Rope, ReferenceGradientIsRight) {
  const i64 N = 3, heads = 2, D = 6, T = 3;
  std::vector<double> angles(static_cast<std::size_t>(T * D));
  reference::rope_table(T, D, 10.0, 1.0, angles.data());
  const std::vector<double> x = to_double(random_vector(N * heads * D, 1)),
                            dy = to_double(random_vector(N * heads * D, 2));
  std::vector<double> gradient = dy;
  reference::rope(N, heads, D, T, angles.data(), nullptr, true, gradient.data(), heads * D);
  check_gradient(x, gradient, [&](std::vector<double> v) {
    reference::rope(N, heads, D, T, angles.data(), nullptr, false, v.data(), heads * D);
    double sum = 0;
    for (std::size_t i = 0; i < v.size(); ++i) sum += v[i] * dy[i];
    return sum;
  });
}

TEST(AdamW, FollowsTheReferenceOverSteps) {
  const i64 n = 70001;
  const std::vector<float> start = random_vector(n, 1);
  constexpr double kRate = 3e-3, kBeta1 = 0.9, kBeta2 = 0.999, kEps = 1e-8, kDecay = 0.1, kScale = 0.7;
  constexpr int kSteps = 10;
  const Outputs out = expect_same_everywhere([&](ThreadPool& pool) {
    std::vector<float> p = start, m(p.size()), v(p.size());
    for (int t = 1; t <= kSteps; ++t) {
      std::vector<float> g = random_vector(n, static_cast<std::uint64_t>(t));
      const std::vector<float> kept = g;
      adamw(pool, n, adamw_step(kRate, kBeta1, kBeta2, kEps, kDecay, t, kScale), p.data(), g.data(), m.data(),
            v.data(), t % 2 == 0);
      EXPECT_TRUE(same_bits(g, t % 2 == 0 ? std::vector<float>(g.size()) : kept));
    }
    return Outputs{p, m, v};
  });
  std::vector<double> p = to_double(start), m(p.size()), v(p.size());
  for (int t = 1; t <= kSteps; ++t) {
    const std::vector<double> g = to_double(random_vector(n, static_cast<std::uint64_t>(t)));
    reference::adamw(n, kRate, kBeta1, kBeta2, kEps, kDecay, t, kScale, p.data(), g.data(), m.data(),
                     v.data());
  }
  EXPECT_LT(relative_error(out[0], p), 1e-6);
  EXPECT_LT(relative_error(out[1], m), 1e-6);
  EXPECT_LT(relative_error(out[2], v), 1e-6);
}

}  // namespace
}  // namespace mft::kernels::test
