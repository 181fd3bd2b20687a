#include "train/choice_tokens.h"

#include <gtest/gtest.h>

#include "text/test_tables.h"

namespace mft::train {
namespace {

constexpr std::uint32_t kPlenty = 1000;
constexpr std::int32_t kEnd = 279;  // "<|endoftext|>": BOS and EOS of tiny.bin, which puts none before a text

std::vector<std::int32_t> encode(Tokenizer& tokenizer, const std::string& text) {
  std::vector<std::int32_t> ids;
  tokenizer.encode(text, ids);
  return ids;
}

TEST(ChoiceTokens, AreTheContextsAndWhatTheWholeHasBeyondThem) {
  Tokenizer tokenizer = Tokenizer::open(tiny_path());
  const std::vector<std::int32_t> context = encode(tokenizer, "hello");
  const ContinuedText text = encode_continuation(tokenizer, "hello", " world", kPlenty);
  EXPECT_EQ(text.from, context.size());
  EXPECT_EQ(text.tokens, encode(tokenizer, "hello world"));
  EXPECT_FALSE(text.cut);
}

TEST(ChoiceTokens, GiveWhiteSpaceAtTheContextsEndToTheContinuation) {
  Tokenizer tokenizer = Tokenizer::open(tiny_path());
  for (const std::string space : {" ", "\n\t ", "\u2003", "\u001c"}) {
    const ContinuedText text = encode_continuation(tokenizer, "hello" + space, " world", kPlenty);
    EXPECT_EQ(text.from, encode(tokenizer, "hello").size());
    std::vector<std::int32_t> behind(text.tokens.begin() + text.from, text.tokens.end());
    EXPECT_EQ(tokenizer.decode(behind), space + " world");
  }
}

TEST(ChoiceTokens, BeginAnEmptyContextWithTheTokenThatBeginsTexts) {
  Tokenizer tokenizer = Tokenizer::open(tiny_path());
  for (const std::string context : {"", "  "}) {
    const ContinuedText text = encode_continuation(tokenizer, context, " world", kPlenty);
    EXPECT_EQ(text.from, 1u);
    EXPECT_EQ(text.tokens.front(), kEnd);
    std::vector<std::int32_t> behind(text.tokens.begin() + 1, text.tokens.end());
    EXPECT_EQ(behind, encode(tokenizer, context + " world"));
  }
  Tokenizer marks = Tokenizer::open(marks_path());
  ASSERT_FALSE(marks.prefix().empty());
  const ContinuedText text = encode_continuation(marks, "", " world", kPlenty);
  EXPECT_EQ(text.from, marks.prefix().size());
  EXPECT_EQ(text.tokens.front(), marks.prefix().front());
}

TEST(ChoiceTokens, LoseTheBeginningWhenTheyAreTooMany) {
  Tokenizer tokenizer = Tokenizer::open(tiny_path());
  const std::string context = "hello world hello world hello";
  const ContinuedText whole = encode_continuation(tokenizer, context, " world", kPlenty);
  const auto size = static_cast<std::uint32_t>(whole.tokens.size());
  ASSERT_GT(whole.from, 3u);
  // The last token is no input.
  EXPECT_FALSE(encode_continuation(tokenizer, context, " world", size - 1).cut);
  const ContinuedText cut = encode_continuation(tokenizer, context, " world", size - 3);
  EXPECT_TRUE(cut.cut);
  EXPECT_EQ(cut.from, whole.from - 2);
  EXPECT_EQ(cut.tokens, std::vector(whole.tokens.begin() + 2, whole.tokens.end()));
  // Nothing of the context is left: the caller refuses it.
  EXPECT_EQ(encode_continuation(tokenizer, context, " " + context, 1).from, 0u);
}

}  // namespace
}  // namespace mft::train
