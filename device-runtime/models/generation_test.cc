// Generation with a key-value cache is the full forward pass, token by token.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "models/fixture_model.h"

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

TEST(Generation, TakesPromptsLongerThanABatchRow) {
  const FixtureModel fixture("gpt2/heads4");  // 32 positions, rows of 9
  const auto opened = fixture.open(Method::kFrozen);
  std::vector<int32_t> tokens;
  for (int32_t i = 0; i < 20; ++i) tokens.push_back(i * 7 % 50);
  opened.model->begin_generation(32);
  const std::span<const float> longer = opened.model->prefill(tokens);
  const std::vector<float> at_once(longer.begin(), longer.end());
  opened.model->begin_generation(32);  // forgets
  std::span<const float> logits = opened.model->prefill({tokens.data(), 1});
  for (size_t t = 1; t < tokens.size(); ++t) logits = opened.model->next(tokens[t]);
  for (size_t v = 0; v < 50; ++v) EXPECT_NEAR(logits[v], at_once[v], 1e-4) << v;
}

TEST(Generation, SaysWhatIsWrong) {
  const FixtureModel fixture("gpt2/heads4");
  const auto opened = fixture.open(Method::kFrozen);
  const int32_t tokens[] = {1, 2, 50};
  EXPECT_THROW(opened.model->next(1), Failure);
  EXPECT_THROW(opened.model->begin_generation(33), Failure);  // 32 positions
  opened.model->begin_generation(2);
  EXPECT_THROW(opened.model->prefill({}), Failure);
  EXPECT_THROW(opened.model->prefill(tokens), Failure);
  opened.model->begin_generation(3);
  EXPECT_THROW(opened.model->prefill(tokens), Failure);  // token 50 of a vocabulary of 50
  EXPECT_NO_THROW(opened.model->prefill({tokens, 2}));
  EXPECT_THROW(opened.model->prefill({tokens, 2}), Failure);  // one place is left
  EXPECT_EQ(opened.model->cached(), 2u);
}

}  // namespace
}  // namespace mft::models
