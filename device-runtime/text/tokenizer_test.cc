#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "text/added_tokens.h"
#include "text/test_tables.h"

namespace mft {
namespace {

using Ids = std::vector<std::int32_t>;
constexpr std::int32_t kEnd = 279;   // "<|endoftext|>", special
constexpr std::int32_t kHalf = 280;  // "<|end", found after the others
constexpr std::int32_t kPad = 281;   // "<|pad|>", special

Ids encode(Tokenizer& tokenizer, std::string_view text, SpecialText special = SpecialText::kMatch) {
  Ids ids;
  tokenizer.encode(text, ids, special);
  return ids;
}

Ids encode_in_pieces(Tokenizer& tokenizer, const std::string& text, std::size_t piece) {
  std::size_t at = 0;
  Ids ids;
  tokenizer.encode_stream(
      [&](char* buffer, std::size_t capacity) {
        const std::size_t got = std::min({piece, capacity, text.size() - at});
        if (got > 0) std::memcpy(buffer, text.data() + at, got);
        at += got;
        return got;
      },
      [&](const std::int32_t* some, std::size_t count) { ids.insert(ids.end(), some, some + count); });
  return ids;
}

std::string code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Failure& failure) {
    return failure.code();
  }
  return "";
}

TEST(Tokenizer, EncodesAndDecodes) {
  Tokenizer tokenizer = Tokenizer::open(tiny_path());
  EXPECT_EQ(tokenizer.vocab_size(), 282);
  EXPECT_EQ(tokenizer.bos(), kEnd);
  EXPECT_EQ(tokenizer.eos(), kEnd);
  EXPECT_EQ(encode(tokenizer, "hello world"), (Ids{259, 264}));
  EXPECT_EQ(encode(tokenizer, ""), Ids{});
  EXPECT_EQ(tokenizer.decode({259, 264}), "hello world");
  EXPECT_EQ(tokenizer.decode({0xC3}), "\xEF\xBF\xBD");
  EXPECT_EQ(tokenizer.decode({259, kEnd, 264}), "hello<|endoftext|> world");
  EXPECT_EQ(tokenizer.decode({259, kEnd, 264}, true), "hello world");
  EXPECT_EQ(code_of([&] { tokenizer.decode({282}); }), "tokenizer.bad-id");
  EXPECT_EQ(code_of([&] { tokenizer.decode({-1}); }), "tokenizer.bad-id");
}

TEST(Tokenizer, AddedTokensInText) {
  Tokenizer tokenizer = Tokenizer::open(tiny_path());
  EXPECT_EQ(encode(tokenizer, "a<|endoftext|>hello"), (Ids{'a', kEnd, 259}));
  EXPECT_EQ(encode(tokenizer, "<|pad|><|endoftext|><|end"), (Ids{kPad, kEnd, kHalf}));
  // A special token taken as text leaves the other added tokens to be found in it.
  EXPECT_EQ(encode(tokenizer, "<|end", SpecialText::kPlain), (Ids{kHalf}));
  EXPECT_EQ(encode(tokenizer, "<|pad|>", SpecialText::kPlain), (Ids{'<', '|', 'p', 'a', 'd', '|', '>'}));
  // The end of a stretch is the end of a text for the spaces before it.
  EXPECT_EQ(encode(tokenizer, "a  <|pad|>"), (Ids{'a', 268, kPad}));
}

TEST(Tokenizer, RoundTrips) {
  Tokenizer tokenizer = Tokenizer::open(tiny_path());
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const std::string text = hostile_text(seed, 50);
    EXPECT_EQ(tokenizer.decode(encode(tokenizer, text)), text);
    EXPECT_EQ(tokenizer.decode(encode(tokenizer, text, SpecialText::kPlain)), text);
  }
}

TEST(Tokenizer, AStreamGivesWhatTheWholeGives) {
  Tokenizer tokenizer = Tokenizer::open(tiny_path());
  for (std::uint64_t seed = 0; seed < 150; ++seed) {
    const std::string text = hostile_text(seed, 40);
    const Ids whole = encode(tokenizer, text);
    for (const std::size_t piece : {1u, 2u, 3u, 5u, 7u, 13u, 64u, 1u << 16}) {
      ASSERT_EQ(encode_in_pieces(tokenizer, text, piece), whole) << "seed " << seed << " piece " << piece;
    }
  }
  const std::string large = hostile_text(9, 100000);
  EXPECT_EQ(encode_in_pieces(tokenizer, large, 1 << 16), encode(tokenizer, large));
}

TEST(Tokenizer, RefusesWhatIsNotUtf8) {
  Tokenizer tokenizer = Tokenizer::open(tiny_path());
  EXPECT_EQ(code_of([&] { encode(tokenizer, "ab\xFFgh"); }), "data.not-utf8");
  EXPECT_EQ(code_of([&] { encode(tokenizer, "ab\xE2\x82"); }), "data.not-utf8");
  EXPECT_EQ(code_of([&] { encode_in_pieces(tokenizer, "ab\xE2\x82", 1); }), "data.not-utf8");
  EXPECT_EQ(code_of([&] { encode_in_pieces(tokenizer, "ab\xED\xA0\x80", 4); }), "data.not-utf8");
}

TEST(Tokenizer, LongWordsHaveALimit) {
  Tokenizer tokenizer = Tokenizer::open(tiny_path());
  const std::string longest(kMaxWordBytes, 'a');
  const Ids whole = encode(tokenizer, longest + " a");
  EXPECT_EQ(whole.size(), kMaxWordBytes / 8 + 2);
  EXPECT_EQ(encode_in_pieces(tokenizer, longest + " a", 1 << 16), whole);
  EXPECT_EQ(code_of([&] { encode(tokenizer, longest + "a"); }), "data.word-too-long");
  EXPECT_EQ(code_of([&] { encode_in_pieces(tokenizer, longest + "a", 1 << 16); }), "data.word-too-long");
  // A stream gives up when it has seen enough, not when it has read everything.
  std::size_t given = 0;
  const auto endless = [&](char* buffer, std::size_t capacity) {
    std::memset(buffer, ' ', capacity);
    given += capacity;
    return capacity;
  };
  EXPECT_EQ(code_of([&] { tokenizer.encode_stream(endless, [](const std::int32_t*, std::size_t) {}); }),
            "data.word-too-long");
  EXPECT_LT(given, kMaxWordBytes + (std::size_t{1} << 20));
}

TEST(AddedTokens, LeftmostThenLongest) {
  const TokenizerTables tables(tiny_bytes());
  const AddedTokens all(tables, false, true);
  EXPECT_EQ(all.longest(), 13u);
  const AddedTokens::Match match = all.find("x<|pad|<|pad|><|endoftext|>");
  EXPECT_EQ(match.begin, 7u);
  EXPECT_EQ(match.bytes, 7u);
  EXPECT_EQ(match.id, 281u);
  EXPECT_EQ(all.find("<|endoftex").bytes, 0u);
  EXPECT_EQ(all.find("").bytes, 0u);
  const AddedTokens none(tables, false, false);
  EXPECT_EQ(none.longest(), 0u);
  EXPECT_EQ(none.find("<|pad|>").bytes, 0u);
}

}  // namespace
}  // namespace mft
