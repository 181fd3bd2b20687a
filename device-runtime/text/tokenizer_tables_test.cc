#include "text/tokenizer_tables.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "text/test_tables.h"
#include "text/tokenizer.h"

namespace mft {
namespace {

// Opens hostile tables and, if they open, uses them: nothing but a Failure may come of it. True: they opened.
bool survives(const std::string& bytes) {
  try {
    Tokenizer tokenizer = Tokenizer::from_bytes(bytes);
    std::vector<std::int32_t> ids;
    tokenizer.encode(hostile_text(5, 60), ids);
    for (int byte = 1; byte < 128; ++byte) tokenizer.encode(std::string(1, static_cast<char>(byte)), ids);
    for (const std::int32_t id : ids) EXPECT_LT(id, tokenizer.vocab_size());
    tokenizer.decode(ids);
    return true;
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), "tokenizer.bad-file") << failure.what();
    return false;
  }
}

TEST(TokenizerTables, ReadsTheFixture) {
  const TokenizerTables tables(tiny_bytes());
  EXPECT_EQ(tables.pre_tokenizer(), PreTokenizerKind::kGpt2);
  EXPECT_EQ(tables.token_count(), 282u);
  EXPECT_EQ(tables.token(259), "hello");
  EXPECT_EQ(tables.byte_id('h'), static_cast<std::uint32_t>('h'));
  EXPECT_EQ(tables.find_merge(258, 'o'), 3u);
  EXPECT_EQ(tables.merged(3), 259u);
  EXPECT_EQ(tables.find_merge('o', 258), kNoRank);
  EXPECT_EQ(tables.added().size(), 3u);
  EXPECT_TRUE(tables.is_special(279));
  EXPECT_FALSE(tables.is_special(280));
}

TEST(TokenizerTables, ReadsTheFixtureOfMarks) {
  const TokenizerTables tables(marks_bytes());
  EXPECT_EQ(tables.normalizer(), NormalizerKind::kSpaceMark);
  EXPECT_EQ(tables.pre_tokenizer(), PreTokenizerKind::kWhole);
  ASSERT_TRUE(tables.by_characters());
  EXPECT_EQ(tables.token(tables.character_id('a')), "a");
  EXPECT_EQ(tables.token(tables.character_id(' ')), "\xE2\x96\x81");
  EXPECT_EQ(tables.character_id(kSpaceMark), tables.character_id(' '));
  EXPECT_EQ(tables.character_id('z'), kNoToken);
  EXPECT_EQ(tables.character_id(0x10FFFF), kNoToken);
  EXPECT_TRUE(tables.is_byte('a'));
  EXPECT_FALSE(tables.is_byte(tables.character_id('a')));
  EXPECT_TRUE(tables.may_join('h', 'e'));
  EXPECT_TRUE(tables.may_join(' ', ' '));
  EXPECT_TRUE(tables.may_join(' ', kSpaceMark));
  EXPECT_TRUE(tables.may_join('>', ' '));
  EXPECT_FALSE(tables.may_join('e', ' '));
  EXPECT_EQ(tables.prefix(), std::vector<std::int32_t>{299});
  EXPECT_TRUE(tables.suffix().empty());
  ASSERT_EQ(tables.added().size(), 6u);
  int strips = 0;
  for (const AddedToken& token : tables.added()) strips += token.lstrip + token.rstrip + token.single_word;
  EXPECT_EQ(strips, 3);
}

TEST(TokenizerTables, RefusesOtherFilesAndVersions) {
  EXPECT_FALSE(survives(""));
  EXPECT_FALSE(survives("{\"version\": \"1.0\"}"));
  EXPECT_FALSE(survives(std::string(4096, '\0')));
  std::string other = tiny_bytes();
  other[8] = 1;
  try {
    Tokenizer::from_bytes(other);
    FAIL();
  } catch (const Failure& failure) {
    EXPECT_NE(std::string(failure.what()).find("version 1"), std::string::npos) << failure.what();
  }
}

class HostileTables : public testing::TestWithParam<std::string (*)()> {};
INSTANTIATE_TEST_SUITE_P(Makes, HostileTables, testing::Values(&tiny_bytes, &marks_bytes));

TEST_P(HostileTables, RefusesATruncatedFile) {
  const std::string bytes = GetParam()();
  for (std::size_t i = 0; i < 100; ++i) EXPECT_FALSE(survives(bytes.substr(0, bytes.size() * i / 100)));
  EXPECT_FALSE(survives(bytes.substr(0, bytes.size() - 1)));
  EXPECT_FALSE(survives(bytes + "x"));
  EXPECT_TRUE(survives(bytes));
}

TEST_P(HostileTables, SurvivesAnyChangedByte) {
  const std::string bytes = GetParam()();
  TestRandom random(3);
  int opened = 0;
  for (int i = 0; i < 6000; ++i) {
    std::string changed = bytes;
    const std::uint64_t changes = 1 + random.below(4);
    for (std::uint64_t k = 0; k < changes; ++k) {
      // Half of them in the header and the offsets, where it hurts most.
      const std::uint64_t at = random.below(random.below(2) == 0 ? 400 : bytes.size());
      changed[at] =
          static_cast<char>(random.below(2) == 0 ? random.below(256) : bytes[at] ^ (1 << random.below(8)));
    }
    opened += survives(changed) ? 1 : 0;
  }
  EXPECT_GT(opened, 0);     // some changes only change the text of a token
  EXPECT_LT(opened, 3000);  // most are noticed
}

// Fields of the header set to values that overflow sums and products.
TEST_P(HostileTables, SurvivesExtremeHeaders) {
  const std::string bytes = GetParam()();
  for (std::size_t field = 8; field < 160; field += 4) {
    for (const std::uint32_t value : {0u, 1u, 7u, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFFF8u, 0xFFFFFFFFu}) {
      for (const bool wide : {false, true}) {
        std::string changed = bytes;
        std::memcpy(changed.data() + field, &value, 4);
        if (wide && field + 8 <= 160) std::memcpy(changed.data() + field + 4, &value, 4);
        survives(changed);
      }
    }
  }
}

// Every bit of the tables of characters and merges, one at a time: where each index comes from the file.
TEST_P(HostileTables, SurvivesEveryFlippedBitOfMerges) {
  const std::string bytes = GetParam()();
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::memcpy(&begin, bytes.data() + 112, 8);  // merges
  std::memcpy(&end, bytes.data() + 136, 8);    // added
  const std::size_t step = end - begin > 2000 ? 7 : 1;
  for (std::size_t bit = 8 * begin; bit < 8 * end; bit += step) {
    std::string changed = bytes;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    survives(changed);
  }
}

}  // namespace
}  // namespace mft
