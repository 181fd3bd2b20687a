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
  MergeSlot merge;
  ASSERT_TRUE(tables.find_merge(258, 'o', &merge));
  EXPECT_EQ(merge.id, 259u);
  EXPECT_EQ(merge.rank, 3u);
  EXPECT_FALSE(tables.find_merge('o', 258, &merge));
  EXPECT_EQ(tables.added().size(), 3u);
  EXPECT_TRUE(tables.is_special(279));
  EXPECT_FALSE(tables.is_special(280));
}

TEST(TokenizerTables, RefusesOtherFilesAndVersions) {
  EXPECT_FALSE(survives(""));
  EXPECT_FALSE(survives("{\"version\": \"1.0\"}"));
  EXPECT_FALSE(survives(std::string(4096, '\0')));
  std::string other = tiny_bytes();
  other[8] = 2;
  try {
    Tokenizer::from_bytes(other);
    FAIL();
  } catch (const Failure& failure) {
    EXPECT_NE(std::string(failure.what()).find("version 2"), std::string::npos) << failure.what();
  }
}

TEST(TokenizerTables, RefusesATruncatedFile) {
  const std::string bytes = tiny_bytes();
  for (std::size_t i = 0; i < 100; ++i) EXPECT_FALSE(survives(bytes.substr(0, bytes.size() * i / 100)));
  EXPECT_FALSE(survives(bytes.substr(0, bytes.size() - 1)));
  EXPECT_FALSE(survives(bytes + "x"));
  EXPECT_TRUE(survives(bytes));
}

TEST(TokenizerTables, SurvivesAnyChangedByte) {
  const std::string bytes = tiny_bytes();
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
TEST(TokenizerTables, SurvivesExtremeHeaders) {
  const std::string bytes = tiny_bytes();
  for (std::size_t field = 8; field < 128; field += 4) {
    for (const std::uint32_t value : {0u, 1u, 7u, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFFF8u, 0xFFFFFFFFu}) {
      for (const bool wide : {false, true}) {
        std::string changed = bytes;
        std::memcpy(changed.data() + field, &value, 4);
        if (wide && field + 8 <= 128) std::memcpy(changed.data() + field + 4, &value, 4);
        survives(changed);
      }
    }
  }
}

}  // namespace
}  // namespace mft
