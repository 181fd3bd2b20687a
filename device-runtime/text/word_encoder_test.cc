#include "text/word_encoder.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "text/test_tables.h"
#include "text/unicode.h"

namespace mft {
namespace {

using Ids = std::vector<std::int32_t>;

// The definition, word for word: while there is a pair that merges, merge the leftmost of the lowest rank.
Ids merge_naively(const TokenizerTables& tables, std::vector<std::uint32_t> ids) {
  for (;;) {
    std::size_t best = ids.size();
    std::uint32_t best_rank = kNoRank;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
      const std::uint32_t rank = tables.find_merge(ids[i], ids[i + 1]);
      if (rank >= best_rank) continue;
      best = i;
      best_rank = rank;
    }
    if (best_rank == kNoRank) break;
    ids[best] = tables.merged(best_rank);
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  return Ids(ids.begin(), ids.end());
}

std::vector<std::uint32_t> bytes_of(const TokenizerTables& tables, const std::string& word) {
  std::vector<std::uint32_t> ids;
  for (const char c : word) ids.push_back(tables.byte_id(static_cast<unsigned char>(c)));
  return ids;
}

Ids encode(WordEncoder& words, const std::string& word) {
  Ids ids;
  words.encode(word, ids);
  return ids;
}

TEST(WordEncoder, KnownWords) {
  const TokenizerTables tables(tiny_bytes());
  WordEncoder words(tables);
  EXPECT_EQ(encode(words, "hello"), (Ids{259}));
  EXPECT_EQ(encode(words, " world"), (Ids{264}));
  EXPECT_EQ(encode(words, "aaa"), (Ids{265, 'a'}));  // the leftmost pair first
  EXPECT_EQ(encode(words, "aab"), (Ids{277}));
  EXPECT_EQ(encode(words, "hello"), (Ids{259}));  // from the cache
}

TEST(WordEncoder, EqualsTheDefinition) {
  const TokenizerTables tables(tiny_bytes());
  WordEncoder words(tables);
  TestRandom random(1);
  for (int i = 0; i < 20000; ++i) {
    const std::string letters = i % 2 == 0 ? "ab" : "ab hel tword";
    std::string word;
    // Both sides of the length from which a heap is used.
    const std::size_t length = 1 + random.below(i % 10 == 0 ? 200 : 40);
    for (std::size_t k = 0; k < length; ++k) word += letters[random.below(letters.size())];
    ASSERT_EQ(encode(words, word), merge_naively(tables, bytes_of(tables, word))) << word;
  }
}

// Words of characters: a character without a token becomes its bytes, which merge with nothing.
TEST(WordEncoder, CharactersEqualTheDefinition) {
  const TokenizerTables tables(marks_bytes());
  WordEncoder words(tables);
  TestRandom random(2);
  const std::vector<std::string> characters = {" ", "a", "b", "h", "e", "l", "o", ">", "<", "/", "w", "r",
                                               "d", "\xC3\xA9", "\xE6\x97\xA5", "\xF0\x9F\x98\x80", "z"};
  for (int i = 0; i < 20000; ++i) {
    std::string word;
    std::vector<std::uint32_t> ids;
    const std::size_t length = 1 + random.below(i % 10 == 0 ? 200 : 20);
    for (std::size_t k = 0; k < length; ++k) {
      const std::string& character = characters[random.below(i % 2 == 0 ? characters.size() : 5)];
      word += character;
      const std::uint32_t id = tables.character_id(decode_valid(character.data()).value);
      if (id != kNoToken) {
        ids.push_back(id);
      } else {
        for (const std::uint32_t byte : bytes_of(tables, character)) ids.push_back(byte);
      }
    }
    ASSERT_EQ(encode(words, word), merge_naively(tables, ids)) << word;
  }
}

// The work of a word grows with its length, not with its square: counted, not timed.
TEST(WordEncoder, LongWordsTakeLinearWork) {
  const TokenizerTables byte_level(tiny_bytes());
  const TokenizerTables marks(marks_bytes());
  const auto work = [&](const TokenizerTables& tables, const std::string& unit, std::size_t bytes) {
    WordEncoder words(tables);
    std::string word;
    while (word.size() < bytes) word += unit;
    Ids ids;
    words.encode(word, ids);
    std::size_t decoded = 0;
    for (const std::int32_t id : ids) decoded += tables.token(static_cast<std::uint32_t>(id)).size();
    EXPECT_EQ(decoded, word.size());
    return words.heap_operations();
  };
  for (const TokenizerTables* tables : {&byte_level, &marks}) {
    for (const std::string unit : {"a", "ab", "aab", "hello", "abba", "z"}) {
      const std::uint64_t half = work(*tables, unit, 1 << 19);
      const std::uint64_t whole = work(*tables, unit, 1 << 20);
      EXPECT_LE(whole, 6u << 20) << unit;
      EXPECT_LE(whole, 2 * half + half / 50 + 100) << unit;
    }
  }
}

}  // namespace
}  // namespace mft
