#include "train/kv_session.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "models/fixture_model.h"

namespace mft::train {
namespace {

constexpr std::uint32_t kPositions = 32;  // of gpt2/heads4

std::vector<std::int32_t> some_tokens(std::size_t count, std::int32_t factor) {
  std::vector<std::int32_t> tokens;
  for (std::size_t i = 0; i < count; ++i) tokens.push_back(static_cast<std::int32_t>(i) * factor % 50);
  return tokens;
}

// The logits after `tokens`, computed from nothing.
std::vector<float> fresh_logits(models::Model& model, const std::vector<std::int32_t>& tokens) {
  KvSession session(model, kPositions);
  const auto [logits, reused] = session.feed(tokens);
  EXPECT_EQ(reused, 0u);
  return {logits.begin(), logits.end()};
}

void expect_near(std::span<const float> got, const std::vector<float>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], 1e-4) << i;
}

TEST(KvSession, ReusesWhatIsTheSameAndGivesWhatNothingReusedGives) {
  const models::FixtureModel fixture("gpt2/heads4");
  const auto opened = fixture.open(models::Method::kFrozen);
  const auto other = fixture.open(models::Method::kFrozen);
  const std::vector<std::int32_t> first = some_tokens(20, 7);
  std::vector<std::int32_t> second = first;
  second.resize(12);
  second.push_back(3);
  second.push_back(4);

  KvSession session(*opened.model, kPositions);
  expect_near(session.feed(first).logits, fresh_logits(*other.model, first));
  const auto [logits, reused] = session.feed(second);
  EXPECT_EQ(reused, 12u);
  expect_near(logits, fresh_logits(*other.model, second));
  EXPECT_EQ(std::vector(session.tokens().begin(), session.tokens().end()), second);
  second.push_back(9);
  expect_near(session.next(9), fresh_logits(*other.model, second));
  // The same again: all but the last token is there.
  const auto [again, almost] = session.feed(second);
  EXPECT_EQ(almost, second.size() - 1);
  expect_near(again, fresh_logits(*other.model, second));
  // A beginning of what is there, and something else altogether.
  const std::vector<std::int32_t> beginning(second.begin(), second.begin() + 5);
  const auto [part, four] = session.feed(beginning);
  EXPECT_EQ(four, 4u);
  expect_near(part, fresh_logits(*other.model, beginning));
  const std::vector<std::int32_t> unlike = {49, 1, 2};
  const auto [new_logits, none] = session.feed(unlike);
  EXPECT_EQ(none, 0u);
  expect_near(new_logits, fresh_logits(*other.model, unlike));
}

TEST(KvSession, ScoresWhatTheLossSums) {
  const models::FixtureModel fixture("gpt2/heads4");
  const auto opened = fixture.open(models::Method::kFrozen);
  const auto other = fixture.open(models::Method::kFrozen);
  KvSession session(*opened.model, kPositions);
  const std::uint32_t context = 5;
  for (const std::int32_t factor : {7, 7, 11}) {
    // The context is the same each time, what follows is not.
    std::vector<std::int32_t> tokens = some_tokens(context, 3);
    const std::vector<std::int32_t> rest = some_tokens(fixture.length - context + 1, factor);
    tokens.insert(tokens.end(), rest.begin(), rest.end());
    std::vector<models::TokenScore> scores;
    session.score(tokens, context, scores);
    ASSERT_EQ(scores.size(), tokens.size() - context);
    double sum = 0;
    for (const models::TokenScore& score : scores) sum += static_cast<double>(score.log_likelihood);
    std::vector<std::int32_t> targets(tokens.begin() + 1, tokens.end());
    std::fill_n(targets.begin(), context - 1, models::kNoLabel);
    const models::LossSum loss =
        other.model->evaluate(models::rows_of(1, fixture.length, tokens.data(), targets.data()));
    EXPECT_EQ(loss.labels, scores.size());
    EXPECT_NEAR(sum, -loss.sum, 1e-4);
    EXPECT_EQ(session.tokens().size(), tokens.size() - 1);
  }
}

TEST(KvSession, StaysUsableAfterAFailure) {
  const models::FixtureModel fixture("gpt2/heads4");
  const auto opened = fixture.open(models::Method::kFrozen);
  const auto other = fixture.open(models::Method::kFrozen);
  KvSession session(*opened.model, 8);
  std::vector<std::int32_t> tokens = some_tokens(9, 7);
  EXPECT_THROW(session.feed(tokens), Failure);  // longer than the capacity
  tokens.resize(8);
  tokens[6] = 50;  // the vocabulary has 50
  EXPECT_THROW(session.feed(tokens), Failure);
  tokens[6] = 49;
  expect_near(session.feed(tokens).logits, fresh_logits(*other.model, tokens));
  EXPECT_THROW(session.next(1), Failure);
  tokens.resize(4);
  const auto [logits, reused] = session.feed(tokens);
  EXPECT_EQ(reused, 3u);
  expect_near(logits, fresh_logits(*other.model, tokens));
}

TEST(KvSession, RefusesMoreThanTheModelSees) {
  const models::FixtureModel fixture("gpt2/heads4");
  const auto opened = fixture.open(models::Method::kFrozen);
  EXPECT_THROW(KvSession(*opened.model, kPositions + 1), Failure);
}

}  // namespace
}  // namespace mft::train
