#include "train/choices.h"

#include <gtest/gtest.h>

#include <numeric>

#include "models/fixture_model.h"
#include "train/history.h"

namespace mft::train {
namespace {

constexpr std::uint32_t kPositions = 32;  // of gpt2/heads4

ContinuedText text_of(std::vector<std::int32_t> context, const std::vector<std::int32_t>& continuation) {
  const auto from = static_cast<std::uint32_t>(context.size());
  context.insert(context.end(), continuation.begin(), continuation.end());
  return {std::move(context), from, false};
}

ChoiceRecord record_of(const std::vector<std::uint32_t>& characters, std::uint32_t answer) {
  ChoiceRecord record;
  record.continuations.resize(characters.size());
  record.characters = characters;
  record.answer = answer;
  record.group = "g";
  return record;
}

// By the loss of each sequence alone.
double log_likelihood(models::Model& model, const ContinuedText& text) {
  const auto length = static_cast<std::uint32_t>(text.tokens.size() - 1);
  std::vector<std::int32_t> targets(text.tokens.begin() + 1, text.tokens.end());
  std::fill_n(targets.begin(), text.from - 1, models::kNoLabel);
  return -model.evaluate(models::rows_of(1, length, text.tokens.data(), targets.data())).sum;
}

TEST(Choices, AreScoredAsEachAlone) {
  const models::FixtureModel fixture("gpt2/heads4");  // batches of up to 9 tokens a row
  const auto opened = fixture.open(models::Method::kFrozen);
  const auto other = fixture.open(models::Method::kFrozen);
  KvSession session(*opened.model, kPositions);
  const std::vector<std::int32_t> shared = {3, 1, 4, 1};
  const std::vector<std::vector<ContinuedText>> questions = {
      {text_of(shared, {5}), text_of(shared, {9}), text_of(shared, {2})},           // one pass
      {text_of(shared, {5}), text_of(shared, {9, 2, 6}), text_of(shared, {5, 5})},  // of several lengths
      {text_of({3, 1, 4, 7}, {5}), text_of({3, 1, 4, 7}, {8})},
      {text_of({3, 1, 4}, {5}), text_of({3, 1}, {8})},  // contexts that differ, a token each
      {text_of({40}, {5, 6}), text_of({40}, {7})},
  };
  for (const auto& choices : questions) {
    const std::vector<std::uint32_t> characters(choices.size(), 1);
    const v1::ChoiceScored scored = score_choices(session, record_of(characters, 1), choices);
    ASSERT_EQ(scored.log_likelihoods_size(), static_cast<int>(choices.size()));
    for (std::size_t i = 0; i < choices.size(); ++i) {
      const double alone = log_likelihood(*other.model, choices[i]);
      EXPECT_NEAR(scored.log_likelihoods(static_cast<int>(i)), alone, 1e-4);
    }
    const auto best = std::max_element(scored.log_likelihoods().begin(), scored.log_likelihoods().end());
    EXPECT_EQ(scored.predicted(), best - scored.log_likelihoods().begin());
    EXPECT_EQ(scored.predicted_norm(), scored.predicted());
    EXPECT_EQ(scored.answer(), 1u);
    EXPECT_EQ(scored.group(), "g");
  }
}

TEST(Choices, ThatAreLongerAreNotWorseForIt) {
  const models::FixtureModel fixture("gpt2/heads4");
  const auto opened = fixture.open(models::Method::kFrozen);
  KvSession session(*opened.model, kPositions);
  const std::vector<ContinuedText> choices = {text_of({3}, {5}), text_of({3}, {5, 6, 7, 8, 9, 10})};
  const v1::ChoiceScored scored = score_choices(session, record_of({1, 1000}, 0), choices);
  EXPECT_EQ(scored.predicted(), 0u);
  EXPECT_EQ(scored.predicted_norm(), 1u);
  // Equal: the first.
  const std::vector<ContinuedText> same = {text_of({3}, {5}), text_of({3}, {5})};
  const v1::ChoiceScored tie = score_choices(session, record_of({2, 2}, 1), same);
  EXPECT_EQ(tie.predicted(), 0u);
  EXPECT_EQ(tie.predicted_norm(), 0u);
}

TEST(Choices, OfEarlierAttemptsAreCountedOnce) {
  History history;
  const auto see = [&](std::uint64_t index, std::uint32_t predicted, std::uint32_t norm) {
    v1::Event event;
    event.mutable_choice_scored()->set_index(index);
    event.mutable_choice_scored()->set_answer(2);
    event.mutable_choice_scored()->set_predicted(predicted);
    event.mutable_choice_scored()->set_predicted_norm(norm);
    history.see(event);
  };
  see(0, 2, 0);
  see(1, 2, 2);
  see(1, 2, 2);  // again
  see(5, 2, 2);  // what is between is lost: it is scored anew
  EXPECT_EQ(history.choices.questions, 2u);
  EXPECT_EQ(history.choices.correct, 2u);
  EXPECT_EQ(history.choices.correct_norm, 1u);
}

}  // namespace
}  // namespace mft::train
