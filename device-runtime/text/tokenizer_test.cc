#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "text/added_tokens.h"
#include "text/test_tables.h"
#include "text/text_decoder.h"
#include "text/tokenizer_tables.h"
#include "text/utf8.h"

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
  EXPECT_EQ(tokenizer.text_vocab_size(), 279);
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

// The byte-level tables with another normalizer or more flags of added tokens, as fields of the file.
std::string with_nfc() {
  std::string bytes = tiny_bytes();
  bytes[28] = 1;
  return bytes;
}
std::string with_strips() {
  std::string bytes = tiny_bytes();
  std::uint64_t added = 0;
  std::memcpy(&added, bytes.data() + 136, 8);
  for (std::size_t i = 0; i < 3; ++i) {
    char& flags = bytes[added + 8 * i + 4];
    flags = static_cast<char>(flags | (4 << i));
  }
  return bytes;
}

class Streams : public testing::TestWithParam<std::string (*)()> {};
INSTANTIATE_TEST_SUITE_P(Makes, Streams, testing::Values(&tiny_bytes, &marks_bytes, &with_nfc, &with_strips));

TEST_P(Streams, GiveWhatTheWholeGives) {
  Tokenizer tokenizer = Tokenizer::from_bytes(GetParam()());
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

// What has no end anywhere: combining marks before NFC, joined characters, spaces that a token may take.
TEST(Tokenizer, EndlessStreamsAreGivenUp) {
  const auto given_up = [](const std::string& tables, const std::string& unit) {
    Tokenizer tokenizer = Tokenizer::from_bytes(tables);
    std::size_t given = 0;
    const auto endless = [&](char* buffer, std::size_t capacity) {
      for (std::size_t i = 0; i < capacity; ++i) buffer[i] = unit[(given + i) % unit.size()];
      given += capacity;
      return capacity;
    };
    EXPECT_EQ(code_of([&] { tokenizer.encode_stream(endless, [](const std::int32_t*, std::size_t) {}); }),
              "data.word-too-long");
    return given;
  };
  EXPECT_LT(given_up(with_nfc(), "\xCC\x81"), 2 * kMaxWordBytes);
  EXPECT_LT(given_up(with_nfc(), "a"), 3 * kMaxWordBytes);
  EXPECT_LT(given_up(marks_bytes(), " "), 2 * kMaxWordBytes);
  EXPECT_LT(given_up(with_strips(), " "), 2 * kMaxWordBytes);
}

TEST(Tokenizer, MarksAreSpacesAndBytesAreFallback) {
  Tokenizer tokenizer = Tokenizer::open(marks_path());
  EXPECT_EQ(tokenizer.prefix(), Ids{299});
  EXPECT_EQ(encode(tokenizer, "hello world"), (Ids{280, 285}));
  EXPECT_EQ(encode(tokenizer, "hello\xE2\x96\x81world"), (Ids{280, 285}));
  EXPECT_EQ(encode(tokenizer, "a> </b"), (Ids{257, 297, 258}));
  EXPECT_EQ(encode(tokenizer, "\xE6\x97\xA5\xE6\x9C\xAC\xC3\xA9"), (Ids{270, 230, 156, 172, 269}));
  EXPECT_EQ(tokenizer.decode({280, 285}), "hello world");
  EXPECT_EQ(tokenizer.decode({270, 230, 156, 172, 269}), "\xE6\x97\xA5\xE6\x9C\xAC\xC3\xA9");
  // Bytes in a row are a text all together or not at all.
  EXPECT_EQ(tokenizer.decode({'a', 230, 'b'}), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(tokenizer.decode({299, 280}, true), "hello");
}

TEST(Tokenizer, AddedTokensTakeSpacesAndStandAlone) {
  Tokenizer tokenizer = Tokenizer::open(marks_path());
  EXPECT_EQ(encode(tokenizer, "word wordy  word"), (Ids{304, 283, 259, 121, 275, 304}));
  EXPECT_EQ(encode(tokenizer, "x <mask> <right>  y"), (Ids{120, 302, 256, 303, 121}));
  // A special token taken as text gives no space away.
  EXPECT_EQ(encode(tokenizer, "a <mask>", SpecialText::kPlain).front(), 257);
  EXPECT_EQ(tokenizer.decode(encode(tokenizer, "a <mask>", SpecialText::kPlain)), "a <mask>");
}

TEST(TextDecoder, TokenByTokenIsWhatTheWholeIs) {
  for (const auto& bytes : {tiny_bytes(), marks_bytes()}) {
    const TokenizerTables tables(bytes);
    Tokenizer tokenizer = Tokenizer::from_bytes(bytes);
    TestRandom random(4);
    for (int i = 0; i < 2000; ++i) {
      Ids ids;
      for (std::uint64_t k = random.below(12); k > 0; --k) {
        const std::uint64_t among = random.below(2) == 0 ? 256 : tables.token_count();
        ids.push_back(static_cast<std::int32_t>(random.below(among)));
      }
      TextDecoder decoder(tables, false);
      std::string text;
      for (const std::int32_t id : ids) {
        decoder.push(static_cast<std::uint32_t>(id), text);
        bool cut = false;
        ASSERT_EQ(valid_utf8_prefix(text, &cut), text.size());  // never half a character
      }
      decoder.finish(text);
      ASSERT_EQ(text, tokenizer.decode(ids));
    }
    // Whole characters don't wait for the next.
    if (tables.by_characters()) continue;
    TextDecoder decoder(tables, false);
    std::string text;
    for (const int byte : {0xE6, 0x97, 0xA5, 0xE6}) decoder.push(static_cast<std::uint32_t>(byte), text);
    EXPECT_EQ(text, "\xE6\x97\xA5");
  }
}

TEST(AddedTokens, LeftmostThenLongest) {
  const TokenizerTables tables(tiny_bytes());
  const AddedTokens all(tables, false);
  EXPECT_EQ(all.longest(), 13u);
  const AddedTokens::Match match = all.find("x<|pad|<|pad|><|endoftext|>");
  EXPECT_EQ(match.begin, 7u);
  EXPECT_EQ(match.bytes, 7u);
  EXPECT_EQ(match.token->id, 281u);
  EXPECT_EQ(all.find("x<|pad|<|pad|><|endoftext|>", 8).begin, 14u);
  EXPECT_EQ(all.find("<|endoftex").bytes, 0u);
  EXPECT_EQ(all.find("").bytes, 0u);
}

}  // namespace
}  // namespace mft
