// Generation and scores with a key-value cache are the full forward pass, token by token or in chunks.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "models/fixture_model.h"
#include "models/test_families.h"

namespace mft::models {
namespace {

// The logits after tokens[0..t] are those of the full pass at position t.
void expect_same(const FixtureModel& fixture, Model& model, size_t prompt) {
  const size_t vocab = fixture.config.vocab_size();
  const std::vector<int32_t>& tokens = fixture.fixture["tokens"].ints;
  const Batch batch = rows_of(1, fixture.length, tokens.data(), nullptr);
  std::vector<float> full(fixture.length * vocab);
  model.logits(batch, full.data());
  model.begin_generation(fixture.length);
  std::span<const float> logits = model.prefill({tokens.data(), prompt});
  for (size_t t = prompt - 1;; logits = model.next(tokens[++t])) {
    ASSERT_EQ(logits.size(), vocab);
    for (size_t v = 0; v < vocab; ++v) ASSERT_NEAR(logits[v], full[t * vocab + v], 1e-4) << t << " " << v;
    if (t + 1 == fixture.length) break;
  }
  EXPECT_THROW(model.next(0), Failure);  // the planned length is reached
  model.end_generation();
}

TEST(Generation, EqualsTheFullPass) {
  const FixtureModel fixture("gpt2/heads5");
  for (const size_t prompt : {size_t{1}, size_t{7}, size_t{19}}) {
    SCOPED_TRACE(prompt);
    expect_same(fixture, *fixture.open(Method::kFrozen).model, prompt);
    expect_same(fixture, *fixture.open(Method::kFrozen, "all").model, prompt);
    expect_same(fixture, *fixture.open(Method::kLora, "all").model, prompt);  // between training steps
  }
}

// A family's small model, with activations for `max_length` tokens at once.
struct Small {
  Small(const v1::ModelConfig& config, uint32_t max_length, Method method = Method::kFrozen) {
    uint64_t seed = 0;
    const auto files = write_pack(folder.path(), config, [&](const v1::Tensor& tensor) {
      return family_values(config, tensor, ++seed);
    });
    segments = store::Segments::open(files, store::Residency::kMapped);
    ModelOptions options;
    options.method = method;
    options.max_tokens = options.max_length = max_length;
    model = Model::open(config, *segments, options, pool);
  }
  TestFolder folder;
  ThreadPool pool{2};
  std::unique_ptr<store::Segments> segments;
  std::unique_ptr<Model> model;
};

const std::vector<int32_t> kTokens = {5, 60, 0, 17, 33, 2, 17, 44, 9, 58, 1, 1, 30, 8, 22};

std::vector<float> copy_of(std::span<const float> logits) { return {logits.begin(), logits.end()}; }

// However a prompt is cut, by the caller or by what fits at once, each logit has the same bits.
TEST(Generation, ChunksHaveTheBitsOfTheWholePrompt) {
  for (const auto& [name, config] : family_configs()) {
    SCOPED_TRACE(name);
    Small whole(config, 15);
    whole.model->begin_generation(15);
    const std::vector<float> expected = copy_of(whole.model->prefill(kTokens));
    for (const uint32_t chunk : {1u, 4u, 14u}) {
      Small small(config, chunk);
      small.model->begin_generation(15);
      EXPECT_EQ(copy_of(small.model->prefill(kTokens)), expected) << chunk;
      EXPECT_EQ(small.model->cached(), 15u);
    }
    whole.model->truncate(0);
    const std::span<const int32_t> all = kTokens;
    whole.model->prefill(all.first(6));
    whole.model->prefill(all.subspan(6, 1));
    EXPECT_EQ(copy_of(whole.model->prefill(all.subspan(7))), expected);
  }
}

TEST(Generation, WhatIsTruncatedIsForgotten) {
  for (const auto& [name, config] : family_configs()) {
    SCOPED_TRACE(name);
    Small small(config, 5);
    small.model->begin_generation(15);
    const std::vector<float> fresh = copy_of(small.model->prefill(kTokens));
    std::vector<int32_t> others(kTokens.rbegin(), kTokens.rend());
    others[0] = kTokens[0];
    others[1] = kTokens[1];
    small.model->begin_generation(15);
    small.model->prefill(others);
    for (size_t keep = 3; keep-- > 0;) {
      small.model->truncate(static_cast<uint32_t>(keep));
      EXPECT_EQ(small.model->cached(), keep);
      EXPECT_EQ(copy_of(small.model->prefill(std::span(kTokens).subspan(keep))), fresh) << keep;
    }
    EXPECT_THROW(small.model->truncate(16), Failure);
    small.model->truncate(14);
    const std::span<const float> next = small.model->next(kTokens[14]);
    for (size_t v = 0; v < fresh.size(); ++v) EXPECT_NEAR(next[v], fresh[v], 1e-4) << v;
  }
}

// What score says of a token is its softmax among the logits there; in all, it is the loss.
TEST(Generation, ScoresAreTheLossTokenByToken) {
  for (const auto& [name, config] : family_configs()) {
    SCOPED_TRACE(name);
    std::vector<int32_t> targets(kTokens.begin() + 1, kTokens.end());
    targets.push_back(7);
    targets[2] = targets[9] = kNoLabel;
    Small whole(config, 15);
    const LossSum loss = whole.model->evaluate(rows_of(1, 15, kTokens.data(), targets.data()));
    std::vector<float> logits(15 * 61);
    whole.model->logits(rows_of(1, 15, kTokens.data(), nullptr), logits.data());
    for (size_t n : {0u, 7u}) {  // one of them will be the likeliest
      targets[n] = static_cast<int32_t>(std::max_element(&logits[n * 61], &logits[n * 61 + 61]) - &logits[n * 61]);
    }
    double sum = 0;
    for (const uint32_t chunk : {15u, 4u}) {
      Small small(config, chunk);
      small.model->begin_generation(15);
      small.model->prefill({kTokens.data(), 3});
      small.model->truncate(0);
      std::vector<TokenScore> scores(15, TokenScore{5, true});
      small.model->score({kTokens.data(), 6}, {targets.data(), 6}, {scores.data(), 6});
      small.model->score({kTokens.data() + 6, 9}, {targets.data() + 6, 9}, {scores.data() + 6, 9});
      sum = 0;
      for (size_t n = 0; n < 15; ++n) {
        if (targets[n] == kNoLabel) {
          EXPECT_EQ(scores[n].log_likelihood, 0);
          EXPECT_FALSE(scores[n].greedy);
          continue;
        }
        const float* row = &logits[n * 61];
        double total = 0;
        for (size_t v = 0; v < 61; ++v) total += std::exp(static_cast<double>(row[v]));
        const auto target = static_cast<size_t>(targets[n]);
        EXPECT_NEAR(scores[n].log_likelihood, static_cast<double>(row[target]) - std::log(total), 2e-5) << n;
        EXPECT_EQ(scores[n].greedy, std::max_element(row, row + 61) - row == targets[n]) << n;
        sum += static_cast<double>(scores[n].log_likelihood);
      }
      EXPECT_TRUE(scores[0].greedy);
      EXPECT_TRUE(scores[7].greedy);
    }
    EXPECT_EQ(loss.labels, 13u);
    EXPECT_NEAR(-sum, whole.model->evaluate(rows_of(1, 15, kTokens.data(), targets.data())).sum, 1e-4);
  }
}

TEST(Generation, SaysWhatIsWrong) {
  const FixtureModel fixture("gpt2/heads4");
  const auto opened = fixture.open(Method::kFrozen);
  const int32_t tokens[] = {1, 2, 50};
  EXPECT_THROW(opened.model->next(1), Failure);
  EXPECT_THROW(opened.model->prefill({tokens, 1}), Failure);
  EXPECT_EQ(opened.model->cached(), 0u);
  EXPECT_THROW(opened.model->begin_generation(33), Failure);  // 32 positions
  opened.model->begin_generation(2);
  EXPECT_THROW(opened.model->prefill({}), Failure);
  EXPECT_THROW(opened.model->prefill(tokens), Failure);
  opened.model->begin_generation(3);
  EXPECT_THROW(opened.model->prefill(tokens), Failure);  // token 50 of a vocabulary of 50
  EXPECT_NO_THROW(opened.model->prefill({tokens, 2}));
  EXPECT_THROW(opened.model->prefill({tokens, 2}), Failure);  // one place is left
  TokenScore score;
  EXPECT_THROW(opened.model->score({tokens, 1}, {tokens + 2, 1}, {&score, 1}), Failure);  // target 50
  EXPECT_THROW(opened.model->score({tokens, 1}, {tokens, 2}, {&score, 1}), Failure);
  EXPECT_EQ(opened.model->cached(), 2u);
  EXPECT_NO_THROW(opened.model->score({tokens, 1}, {tokens + 1, 1}, {&score, 1}));
  EXPECT_THROW(opened.model->next(1), Failure);
}

}  // namespace
}  // namespace mft::models
