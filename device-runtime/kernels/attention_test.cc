// What the table of ops does not cover: that bits don't depend on how the work is cut.
#include "kernels/attention.h"

#include "base/error.h"
#include "kernels/test_support.h"

namespace mft::kernels::test {
namespace {

AttentionShape shape(i64 H, i64 kv, i64 D, i64 window = 0, float softcap = 0) {
  return {H, kv, D, window, 1.0f / std::sqrt(static_cast<float>(D)), softcap};
}

struct Problem {
  Problem(const AttentionShape& shape_of, const std::vector<i64>& lengths)
      : s(shape_of),
        sequences(lengths),
        width((s.heads + 2 * s.kv_heads) * s.head_dim),
        ld_qkv(width + 5),
        ld_out(s.heads * s.head_dim + 3),
        qkv(random_vector(sequences.tokens() * ld_qkv, 1, 2.0f)),
        d_out(random_vector(sequences.tokens() * ld_out, 2)) {}

  // out, logsumexp, d_qkv
  Outputs compute(ThreadPool& pool) const {
    std::vector<float> out(d_out.size()), d_qkv(qkv.size()),
        lse(static_cast<std::size_t>(sequences.tokens() * s.heads));
    const Scratch scratch(attention_workspace(pool.threads(), s, sequences.tokens()));
    attention_forward(pool, s, sequences, qkv.data(), ld_qkv, out.data(), ld_out, lse.data(), dropout, scratch);
    attention_backward(pool, s, sequences, qkv.data(), ld_qkv, out.data(), ld_out, lse.data(), d_out.data(),
                       ld_out, d_qkv.data(), ld_qkv, dropout, scratch);
    return {out, lse, d_qkv};
  }

  // The problem of `time` rows from row `start` on, as one sequence.
  Problem alone(i64 start, i64 time) const {
    Problem one(s, {time});
    one.dropout = dropout;
    std::copy_n(qkv.begin() + start * ld_qkv, one.qkv.size(), one.qkv.begin());
    std::copy_n(d_out.begin() + start * ld_out, one.d_out.size(), one.d_out.begin());
    return one;
  }

  AttentionShape s;
  Starts sequences;
  i64 width, ld_qkv, ld_out;
  std::vector<float> qkv, d_out;
  DropoutSite dropout;
};

// Output i of a sequence's own, out of what the batch has; elements a token: the row distances and H.
std::vector<float> part(const std::vector<float>& all, i64 start, i64 time, i64 elements) {
  return {all.begin() + start * elements, all.begin() + (start + time) * elements};
}

void expect_each_alone(const AttentionShape& s, const std::vector<i64>& lengths) {
  ThreadPool pool(2);
  const Problem many(s, lengths);
  const Outputs all = many.compute(pool);
  const i64 elements[] = {many.ld_out, s.heads, many.ld_qkv};
  i64 start = 0;
  for (const i64 time : lengths) {
    const Outputs alone = many.alone(start, time).compute(pool);
    for (std::size_t i = 0; i < alone.size(); ++i) {
      EXPECT_TRUE(same_bits(alone[i], part(all[i], start, time, elements[i])))
          << "output " << i << " of the sequence at " << start;
    }
    start += time;
  }
}

// The two ways of sharing the backward (by heads, by tiles) are one computation: a head among many (one pass
// each), or alone (tiles).
TEST(Attention, BackwardByTilesHasTheBitsOfBackwardByHeads) {
  expect_each_alone(shape(1, 1, 16), {230, 230, 230, 230, 230, 230, 230, 230});
}

TEST(Attention, ASequenceHasTheSameBitsWhateverIsBesideIt) {
  for (const i64 window : {0, 1, 40, 130}) {
    for (const float softcap : {0.0f, 2.0f}) {
      expect_each_alone(shape(4, 2, 12, window, softcap), {1, 230, 96, 7, 97, 1, 33});
      expect_each_alone(shape(7, 1, 8, window, softcap), {5, 500, 3, 3, 192});
      expect_each_alone(shape(3, 3, 20, window, softcap), {2, 2, 191});
    }
  }
}

// The mask of the first sequence is the one it has alone, and the others' differ from it.
TEST(Attention, DropoutIsDrawnAnewForEverySequence) {
  ThreadPool pool(1);
  Problem many(shape(2, 1, 8), {100, 100});
  many.dropout.probability = 0.5f;
  std::copy_n(many.qkv.begin(), 100 * many.ld_qkv, many.qkv.begin() + 100 * many.ld_qkv);
  const Outputs all = many.compute(pool);
  const Outputs alone = many.alone(0, 100).compute(pool);
  EXPECT_TRUE(same_bits(alone[0], part(all[0], 0, 100, many.ld_out)));
  EXPECT_FALSE(same_bits(alone[0], part(all[0], 100, 100, many.ld_out)));
}

// A sequence in chunks, each against the keys and values so far.
TEST(Attention, ChunksHaveTheBitsOfTheWhole) {
  ThreadPool pool(2);
  for (const i64 window : {0, 1, 40, 130}) {
    for (const float softcap : {0.0f, 2.0f}) {
      const Problem p(shape(4, 2, 12, window, softcap), {300});
      const Outputs whole = p.compute(pool);
      const float* const keys = p.qkv.data() + p.s.heads * p.s.head_dim;
      const float* const values = keys + p.s.kv_heads * p.s.head_dim;
      for (const i64 chunk : {1, 7, 96, 100, 299}) {
        std::vector<float> out(p.d_out.size());
        const Scratch scratch(attention_workspace(2, p.s, chunk));
        for (i64 from = 0; from < 300; from += chunk) {
          attention_append(pool, p.s, from, std::min(chunk, 300 - from), p.qkv.data() + from * p.ld_qkv, p.ld_qkv,
                           keys, values, p.ld_qkv, out.data() + from * p.ld_out, p.ld_out, scratch);
        }
        EXPECT_TRUE(same_bits(out, whole[0])) << "window " << window << ", chunks of " << chunk;
      }
    }
  }
}

TEST(Attention, RefusesSequencesThatAreNone) {
  ThreadPool pool(1);
  const Problem p(shape(2, 1, 8), {3, 4});
  std::vector<float> out(p.d_out.size()), lse(14);
  const Scratch scratch(attention_workspace(1, p.s, 7));
  const auto run = [&](std::vector<std::uint32_t> starts) {
    const Sequences sequences{static_cast<i64>(starts.size()) - 1, starts.data()};
    attention_forward(pool, p.s, sequences, p.qkv.data(), p.ld_qkv, out.data(), p.ld_out, lse.data(), {}, scratch);
  };
  EXPECT_NO_THROW(run({0, 3, 7}));
  EXPECT_THROW(run({0}), Failure);
  EXPECT_THROW(run({1, 3, 7}), Failure);
  EXPECT_THROW(run({0, 3, 3, 7}), Failure);
  EXPECT_THROW(run({0, 5, 3}), Failure);
}

}  // namespace
}  // namespace mft::kernels::test
