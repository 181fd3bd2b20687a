#include "train/written_text.h"

#include <gtest/gtest.h>

#include "text/test_tables.h"
#include "text/utf8.h"

namespace mft::train {
namespace {

std::vector<std::int32_t> encode(Tokenizer& tokenizer, const std::string& text) {
  std::vector<std::int32_t> ids;
  tokenizer.encode(text, ids);
  return ids;
}

// Pieces of a text as they come.
std::vector<std::string> pieces_of(Tokenizer& tokenizer, const std::vector<std::int32_t>& prompt,
                                   const std::vector<std::int32_t>& ids, const std::vector<std::string>& stops = {}) {
  std::vector<std::string> pieces;
  WrittenText written(tokenizer, prompt, stops, [&](const std::string& piece) { pieces.push_back(piece); });
  bool stopped = false;
  for (const std::int32_t id : ids) {
    stopped = written.push(id);
    if (stopped) break;
  }
  if (!stopped) written.finish();
  std::string all;
  for (const std::string& piece : pieces) all += piece;
  EXPECT_EQ(all, written.text());
  return pieces;
}

std::string join(const std::vector<std::string>& pieces) {
  std::string all;
  for (const std::string& piece : pieces) all += piece;
  return all;
}

TEST(WrittenText, GivesWholeCharactersAndInTheEndTheTextOfAllTokens) {
  for (const std::string& tables : {tiny_bytes(), marks_bytes()}) {
    Tokenizer tokenizer = Tokenizer::from_bytes(tables);
    for (std::uint64_t seed = 1; seed < 40; ++seed) {
      const std::vector<std::int32_t> ids = encode(tokenizer, hostile_text(seed, 30));
      // Behind a prompt: what the whole has more than the prompt.
      const std::vector<std::int32_t> prompt = encode(tokenizer, "hello");
      std::vector<std::int32_t> whole = prompt;
      whole.insert(whole.end(), ids.begin(), ids.end());
      const std::vector<std::string> pieces = pieces_of(tokenizer, prompt, ids);
      EXPECT_EQ(tokenizer.decode(prompt) + join(pieces), tokenizer.decode(whole));
      for (const std::string& piece : pieces) {
        bool cut = false;
        EXPECT_EQ(valid_utf8_prefix(piece, &cut), piece.size());
      }
    }
  }
}

TEST(WrittenText, ACharacterOfSeveralTokensComesWhole) {
  Tokenizer tokenizer = Tokenizer::from_bytes(tiny_bytes());
  const std::string emoji = "\xF0\x9F\x98\x80";
  const std::vector<std::int32_t> ids = encode(tokenizer, emoji + "a");
  ASSERT_GT(ids.size(), 3u);
  EXPECT_EQ(pieces_of(tokenizer, {}, ids), (std::vector<std::string>{emoji, "a"}));
  // What a prompt ends in is not given out again.
  EXPECT_EQ(pieces_of(tokenizer, encode(tokenizer, emoji), encode(tokenizer, "a")), std::vector<std::string>{"a"});
}

TEST(WrittenText, StopsAcrossTheBordersOfTokens) {
  Tokenizer tokenizer = Tokenizer::from_bytes(tiny_bytes());
  const std::vector<std::int32_t> ids = encode(tokenizer, "hello world, the aa");
  EXPECT_EQ(join(pieces_of(tokenizer, {}, ids, {"ld, th"})), "hello wor");
  EXPECT_EQ(join(pieces_of(tokenizer, {}, ids, {"ld, tx", "zz"})), "hello world, the aa");
  // A special token is text like any other.
  const std::vector<std::int32_t> special = encode(tokenizer, "aa<|endoftext|>ba");
  EXPECT_EQ(join(pieces_of(tokenizer, {}, special, {"<|endoftext|>"})), "aa");
  // What only the end of the text completes: half a character, as U+FFFD.
  const std::vector<std::int32_t> emoji = encode(tokenizer, "\xF0\x9F\x98\x80");
  WrittenText written(tokenizer, {}, {"\xEF\xBF\xBD"}, {});
  EXPECT_FALSE(written.push(emoji[0]));
  EXPECT_TRUE(written.finish());
  EXPECT_EQ(written.text(), "");
}

}  // namespace
}  // namespace mft::train
