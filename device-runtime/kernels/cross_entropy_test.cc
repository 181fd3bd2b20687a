// What the table of ops does not cover.
#include "kernels/cross_entropy.h"

#include "kernels/reference/cross_entropy.h"
#include "kernels/test_support.h"

namespace mft::kernels::test {
namespace {

struct Problem {
  Problem(i64 N, i64 C, i64 V, bool with_ignored)
      : shape{N, C, V},
        hidden(random_vector(N * C, 1, 2.0f)),
        W(random_vector(V * C, 2)),
        dW(random_vector(V * C, 3, 0.01f)) {
    Random random(4);
    for (i64 n = 0; n < N; ++n) {
      const bool ignored = with_ignored && random.below(3) == 0;
      targets.push_back(ignored ? kIgnoredTarget : static_cast<std::int32_t>(random.below(V)));
    }
  }

  // losses of the forward, losses of the backward, d_hidden, dW
  Outputs compute(ThreadPool& pool, double* loss_sum) const {
    const i64 N = shape.rows;
    std::vector<float> forward(static_cast<std::size_t>(N), 7.0f), losses = forward,
                                                                   d_hidden(hidden.size(), 7.0f), d = dW;
    const Scratch evaluation(cross_entropy_workspace(pool.threads(), shape, false));
    const Scratch training(cross_entropy_workspace(pool.threads(), shape, true));
    const auto a = cross_entropy_forward(pool, shape, hidden.data(), W.data(), targets.data(), forward.data(),
                                         nullptr, evaluation);
    const auto b = cross_entropy_forward_backward(pool, shape, hidden.data(), W.data(), targets.data(),
                                                  kScale, losses.data(), d_hidden.data(), d.data(), training);
    EXPECT_EQ(a.loss_sum, b.loss_sum);
    EXPECT_EQ(a.tokens, b.tokens);
    // A frozen head gives the same d_hidden.
    std::vector<float> frozen(hidden.size());
    cross_entropy_forward_backward(pool, shape, hidden.data(), W.data(), targets.data(), kScale, nullptr,
                                   frozen.data(), nullptr, training);
    EXPECT_TRUE(same_bits(frozen, d_hidden));
    EXPECT_TRUE(same_bits(forward, losses));
    if (loss_sum != nullptr) *loss_sum = b.loss_sum;
    return {losses, d_hidden, d};
  }

  static constexpr float kScale = 0.125f;
  CrossEntropyShape shape;
  std::vector<float> hidden, W, dW;
  std::vector<std::int32_t> targets;
};

void expect_close_to_reference(i64 N, i64 C, i64 V) {
  Problem p(N, C, V, true);
  ThreadPool pool(2);
  double loss_sum = 0;
  const Outputs out = p.compute(pool, &loss_sum);
  const std::vector<double> hidden = to_double(p.hidden), W = to_double(p.W);
  std::vector<double> losses(p.targets.size()), d_hidden(hidden.size()), dW = to_double(p.dW);
  reference::cross_entropy<double>(p.shape, hidden.data(), W.data(), p.targets.data(),
                                   static_cast<double>(Problem::kScale), losses.data(), d_hidden.data(),
                                   dW.data());
  EXPECT_LT(relative_error(out[0], losses), 1e-6);
  EXPECT_LT(relative_error(out[1], d_hidden), 5e-6);
  EXPECT_LT(relative_error(out[2], dW), 5e-6);
}

// Several blocks of rows, several stretches of the vocabulary.
TEST(CrossEntropy, KeepsABlocksExponentials) { expect_close_to_reference(700, 8, 3500); }

// Beyond 262144 tokens of vocabulary dW needs the logits a second time.
TEST(CrossEntropy, MakesLogitsAgainForLargeVocabularies) { expect_close_to_reference(40, 8, 263000); }

// The largest logit comes last: what was summed before is scaled to nearly nothing.
TEST(CrossEntropy, LargestLogitsMayComeLast) {
  Problem p(20, 4, 7000, false);
  for (i64 v = 0; v < p.shape.vocab; ++v) {
    for (i64 c = 0; c < 4; ++c) p.W[static_cast<std::size_t>(4 * v + c)] *= static_cast<float>(v) / 100;
  }
  ThreadPool pool(1);
  const Outputs out = p.compute(pool, nullptr);
  std::vector<double> losses(20), d_hidden(80), dW = to_double(p.dW);
  const std::vector<double> hidden = to_double(p.hidden), W = to_double(p.W);
  reference::cross_entropy<double>(p.shape, hidden.data(), W.data(), p.targets.data(),
                                   static_cast<double>(Problem::kScale), losses.data(), d_hidden.data(),
                                   dW.data());
  EXPECT_LT(relative_error(out[0], losses), 1e-6);
  EXPECT_LT(relative_error(out[1], d_hidden), 1e-5);
  EXPECT_LT(relative_error(out[2], dW), 1e-4);  // logits of some hundreds: their own error counts
}

// Of equal logits the first, also across the vocabulary's stretches; ignored rows and rows of NaN have none.
TEST(CrossEntropy, NamesTheFirstOfTheLikeliest) {
  const CrossEntropyShape shape{6, 1, 7000};
  std::vector<float> hidden(6, 1.0f), W = random_vector(7000, 1);
  for (const std::size_t v : {5000u, 3500u, 6999u}) W[v] = 2.0f;
  hidden[1] = -1.0f;  // the smallest weight
  W[6500] = W[40] = -3.0f;
  hidden[2] = 0.0f;  // all equal
  hidden[4] = NAN;
  const std::vector<std::int32_t> targets = {0, 6999, 3, kIgnoredTarget, 5, 2};
  std::vector<std::int32_t> likeliest(6, 9);
  std::vector<float> losses(6);
  ThreadPool pool(2);
  const Scratch scratch(cross_entropy_workspace(2, shape, false));
  cross_entropy_forward(pool, shape, hidden.data(), W.data(), targets.data(), losses.data(), likeliest.data(),
                        scratch);
  EXPECT_EQ(likeliest, (std::vector<std::int32_t>{3500, 40, 0, -1, -1, 3500}));
}

TEST(CrossEntropy, AllRowsIgnoredIsNothing) {
  Problem p(9, 4, 11, false);
  p.targets.assign(9, kIgnoredTarget);
  ThreadPool pool(1);
  double loss_sum = 1;
  const Outputs out = p.compute(pool, &loss_sum);
  EXPECT_EQ(loss_sum, 0.0);
  EXPECT_TRUE(same_bits(out[1], std::vector<float>(p.hidden.size())));
  EXPECT_TRUE(same_bits(out[2], p.dW));
}

TEST(CrossEntropy, RefusesATargetOutsideTheVocabulary) {
  for (const std::int32_t bad : {-1, 11, -99}) {
    Problem p(9, 4, 11, false);
    p.targets[4] = bad;
    ThreadPool pool(1);
    EXPECT_ANY_THROW(p.compute(pool, nullptr)) << bad;
  }
}

}  // namespace
}  // namespace mft::kernels::test
