#include "kernels/attention.h"

#include "kernels/gradient_check.h"
#include "kernels/reference/attention.h"
#include "kernels/test_support.h"

namespace mft::kernels::test {
namespace {

AttentionShape shape(i64 B, i64 T, i64 H, i64 kv, i64 D, i64 window = 0) {
  return {B, T, H, kv, D, window, 1.0f / std::sqrt(static_cast<float>(D))};
}

AttentionShape capped(AttentionShape shape, float softcap) {
  shape.softcap = softcap;
  return shape;
}

struct Problem {
  Problem(const AttentionShape& shape_of, float p)
      : s(shape_of),
        width((s.heads + 2 * s.kv_heads) * s.head_dim),
        ld_qkv(width + 5),
        ld_out(s.heads * s.head_dim + 3),
        qkv(random_vector(s.batch * s.time * ld_qkv, 1, 2.0f)),
        d_out(random_vector(s.batch * s.time * ld_out, 2)) {
    dropout.seed = 99;
    dropout.step = 3;
    dropout.layer = 1;
    dropout.probability = p;
  }

  // out, logsumexp, d_qkv
  Outputs compute(ThreadPool& pool) const {
    std::vector<float> out(d_out.size()), lse(static_cast<std::size_t>(s.batch * s.heads * s.time)),
        d_qkv(qkv.size());
    const Scratch scratch(attention_workspace(pool.threads(), s));
    attention_forward(pool, s, qkv.data(), ld_qkv, out.data(), ld_out, lse.data(), dropout, scratch);
    attention_backward(pool, s, qkv.data(), ld_qkv, out.data(), ld_out, lse.data(), d_out.data(), ld_out,
                       d_qkv.data(), ld_qkv, dropout, scratch);
    return {out, lse, d_qkv};
  }

  std::vector<std::vector<double>> expected() const {
    std::vector<double> out(d_out.size()), lse(static_cast<std::size_t>(s.batch * s.heads * s.time)),
        d_qkv(qkv.size());
    const std::vector<double> x = to_double(qkv), dy = to_double(d_out);
    reference::attention_forward(s, x.data(), ld_qkv, out.data(), ld_out, lse.data(), dropout);
    reference::attention_backward(s, x.data(), ld_qkv, dy.data(), ld_out, d_qkv.data(), ld_qkv, dropout);
    return {out, lse, d_qkv};
  }

  AttentionShape s;
  i64 width, ld_qkv, ld_out;
  std::vector<float> qkv, d_out;
  DropoutSite dropout;
};

TEST(Attention, EqualsTheReferenceWithTheSameBitsEverywhere) {
  const struct {
    AttentionShape s;
    float dropout;
  } cases[] = {
      {shape(2, 33, 2, 2, 8), 0},        {shape(1, 100, 3, 3, 20), 0}, {shape(3, 97, 4, 4, 64), 0.1f},
      {shape(1, 200, 4, 2, 16), 0},      {shape(2, 193, 8, 4, 24), 0}, {shape(1, 250, 2, 1, 32, 40), 0.2f},
      {shape(2, 300, 4, 4, 12, 100), 0}, {shape(1, 96, 1, 1, 128), 0}, {shape(1, 5, 2, 1, 256), 0},
      {capped(shape(2, 130, 4, 2, 20, 50), 1.5f), 0.1f}, {capped(shape(1, 200, 7, 1, 16), 20.0f), 0},
  };
  for (const auto& c : cases) {
    const Problem problem(c.s, c.dropout);
    // (1, 5, ...) and the like have fewer tiles than workers
    const bool many = c.s.batch * c.s.heads * ((c.s.time + 95) / 96) >= 4;
    const Outputs out = expect_same_everywhere([&](ThreadPool& pool) { return problem.compute(pool); }, many);
    const auto expected = problem.expected();
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_LT(relative_error(out[i], expected[i]), 5e-6)
          << "output " << i << ", T " << c.s.time << ", D " << c.s.head_dim;
    }
  }
}

// The oracle's own backward against central differences.
TEST(Attention, ReferenceGradientIsRight) {
  for (const AttentionShape& s : {shape(2, 5, 4, 2, 3), shape(1, 7, 2, 2, 4, 3),
                                  capped(shape(1, 6, 2, 1, 3), 0.7f)}) {
    for (const float p : {0.0f, 0.3f}) {
      const Problem problem(s, p);
      const std::vector<double> dy = to_double(problem.d_out);
      check_gradient(to_double(problem.qkv), problem.expected()[2], [&](const std::vector<double>& x) {
        std::vector<double> out(dy.size()), lse(static_cast<std::size_t>(s.batch * s.heads * s.time));
        reference::attention_forward(s, x.data(), problem.ld_qkv, out.data(), problem.ld_out, lse.data(),
                                     problem.dropout);
        double sum = 0;
        for (std::size_t i = 0; i < dy.size(); ++i) sum += out[i] * dy[i];
        return sum;
      });
    }
  }
}

// The two ways of sharing the backward (by heads, by tiles) are one computation: a head among many, or alone.
TEST(Attention, BackwardByTilesHasTheBitsOfBackwardByHeads) {
  ThreadPool pool(2);
  const Problem many(shape(8, 230, 1, 1, 16), 0);  // 8 heads: one pass each
  const Outputs all = many.compute(pool);
  Problem one(shape(1, 230, 1, 1, 16), 0);  // 1 head: tiles
  std::copy_n(many.qkv.begin(), one.qkv.size(), one.qkv.begin());
  std::copy_n(many.d_out.begin(), one.d_out.size(), one.d_out.begin());
  const Outputs alone = one.compute(pool);
  for (std::size_t i = 0; i < alone.size(); ++i) {
    EXPECT_TRUE(
        same_bits(alone[i], {all[i].begin(), all[i].begin() + static_cast<std::ptrdiff_t>(alone[i].size())}))
        << i;
  }
}

TEST(Attention, DecodeEqualsTheLastRowOfForward) {
  for (const i64 window : {0, 20}) {
    const AttentionShape s = capped(shape(1, 57, 6, 2, 20, window), window > 0 ? 2.0f : 0.0f);
    const Problem problem(s, 0);
    const i64 last = s.time - 1;
    const Outputs out = expect_same_everywhere([&](ThreadPool& pool) {
      std::vector<float> y(static_cast<std::size_t>(s.heads * s.head_dim));
      const Scratch scratch(attention_decode_workspace(s, s.time));
      const float* const keys = problem.qkv.data() + s.heads * s.head_dim;
      attention_decode(pool, s, s.time, problem.qkv.data() + last * problem.ld_qkv, keys,
                       keys + s.kv_heads * s.head_dim, problem.ld_qkv, y.data(), scratch);
      return Outputs{y};
    });
    const std::vector<double> expected = problem.expected()[0];
    const auto row = expected.begin() + last * problem.ld_out;
    EXPECT_LT(relative_error(out[0], {row, row + s.heads * s.head_dim}), 5e-6);
  }
}

}  // namespace
}  // namespace mft::kernels::test
