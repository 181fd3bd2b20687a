// What the table of ops does not cover.
#include "kernels/attention.h"

#include "kernels/test_support.h"

namespace mft::kernels::test {
namespace {

AttentionShape shape(i64 B, i64 T, i64 H, i64 kv, i64 D) {
  return {B, T, H, kv, D, 0, 1.0f / std::sqrt(static_cast<float>(D))};
}

struct Problem {
  explicit Problem(const AttentionShape& shape_of)
      : s(shape_of),
        width((s.heads + 2 * s.kv_heads) * s.head_dim),
        ld_qkv(width + 5),
        ld_out(s.heads * s.head_dim + 3),
        qkv(random_vector(s.batch * s.time * ld_qkv, 1, 2.0f)),
        d_out(random_vector(s.batch * s.time * ld_out, 2)) {}

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

  AttentionShape s;
  i64 width, ld_qkv, ld_out;
  std::vector<float> qkv, d_out;
  DropoutSite dropout;
};

// The two ways of sharing the backward (by heads, by tiles) are one computation: a head among many, or alone.
TEST(Attention, BackwardByTilesHasTheBitsOfBackwardByHeads) {
  ThreadPool pool(2);
  const Problem many(shape(8, 230, 1, 1, 16));  // 8 heads: one pass each
  const Outputs all = many.compute(pool);
  Problem one(shape(1, 230, 1, 1, 16));  // 1 head: tiles
  std::copy_n(many.qkv.begin(), one.qkv.size(), one.qkv.begin());
  std::copy_n(many.d_out.begin(), one.d_out.size(), one.d_out.begin());
  const Outputs alone = one.compute(pool);
  for (std::size_t i = 0; i < alone.size(); ++i) {
    EXPECT_TRUE(
        same_bits(alone[i], {all[i].begin(), all[i].begin() + static_cast<std::ptrdiff_t>(alone[i].size())}))
        << i;
  }
}

}  // namespace
}  // namespace mft::kernels::test
