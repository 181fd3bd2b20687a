#include "text/pretokenizer.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "text/test_tables.h"
#include "text/unicode.h"

namespace mft {
namespace {

using Words = std::vector<std::string>;

Words cut(PreTokenizerKind kind, std::string_view text) {
  Words words;
  while (!text.empty()) {
    const PreToken token = next_pretoken(kind, text.data(), text.data() + text.size());
    words.emplace_back(text.substr(0, token.bytes));
    text.remove_prefix(token.bytes);
  }
  return words;
}

TEST(PreTokenizer, Gpt2) {
  const auto gpt2 = [](std::string_view text) { return cut(PreTokenizerKind::kGpt2, text); };
  EXPECT_EQ(gpt2("Hello, world"), (Words{"Hello", ",", " world"}));
  EXPECT_EQ(gpt2("a  b"), (Words{"a", " ", " b"}));
  EXPECT_EQ(gpt2("a \n b "), (Words{"a", " \n", " b", " "}));
  EXPECT_EQ(gpt2("a\n\n"), (Words{"a", "\n\n"}));
  EXPECT_EQ(gpt2("it's we'll 'tis 'S"), (Words{"it", "'s", " we", "'ll", " '", "tis", " '", "S"}));
  EXPECT_EQ(gpt2("x1y22 3"), (Words{"x", "1", "y", "22", " 3"}));
  EXPECT_EQ(gpt2("\xC2\xA0z"), (Words{"\xC2\xA0", "z"}));              // a no-break space is no ' '
  EXPECT_EQ(gpt2("e\xCC\x81"), (Words{"e", "\xCC\x81"}));              // a combining mark is no letter
  EXPECT_EQ(gpt2(" \xD9\xA3\xD9\xA4"), (Words{" \xD9\xA3\xD9\xA4"}));  // Arabic digits are numbers
}

TEST(PreTokenizer, Qwen2AndLlama3) {
  const auto qwen2 = [](std::string_view text) { return cut(PreTokenizerKind::kQwen2, text); };
  EXPECT_EQ(qwen2("It'S 123"), (Words{"It", "'S", " ", "1", "2", "3"}));
  EXPECT_EQ(qwen2("\tfoo(bar);\n\n  x"), (Words{"\tfoo", "(bar", ");\n\n", " ", " x"}));
  EXPECT_EQ(qwen2("a \n \n  b"), (Words{"a", " \n \n", " ", " b"}));
  EXPECT_EQ(cut(PreTokenizerKind::kLlama3, "12345"), (Words{"123", "45"}));
}

TEST(PreTokenizer, Digits) {
  const auto digits = [](std::string_view text) { return cut(PreTokenizerKind::kDigits, text); };
  EXPECT_EQ(digits("a  12b"), (Words{"a", "  ", "1", "2", "b"}));
  EXPECT_EQ(digits("n 1"), (Words{"n", " ", "1"}));
}

// What a stream relies on: a pre-token that isn't open in a prefix of the text is that of the whole text.
TEST(PreTokenizer, ClosedTokensDoNotDependOnWhatFollows) {
  int closed = 0;
  for (const auto kind : {PreTokenizerKind::kGpt2, PreTokenizerKind::kQwen2, PreTokenizerKind::kLlama3,
                          PreTokenizerKind::kDigits}) {
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
      const std::string text = hostile_text(seed, 6);
      const PreToken whole = next_pretoken(kind, text.data(), text.data() + text.size());
      for (std::size_t end = 1; end <= text.size(); ++end) {
        if (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) continue;
        const PreToken part = next_pretoken(kind, text.data(), text.data() + end);
        ASSERT_GE(part.bytes, 1u);
        ASSERT_LE(part.bytes, end);
        if (part.open) continue;
        ++closed;
        ASSERT_EQ(part.bytes, whole.bytes)
            << "kind " << static_cast<int>(kind) << " seed " << seed << " end " << end;
      }
    }
  }
  EXPECT_GT(closed, 1000);
}

TEST(Unicode, Classes) {
  EXPECT_STREQ(unicode_tables::kVersion, "16.0");
  EXPECT_EQ(class_of('a'), CharClass::kLetter);
  EXPECT_EQ(class_of('0'), CharClass::kNumber);
  EXPECT_EQ(class_of('_'), CharClass::kOther);
  for (const std::uint32_t c : {0x20u, 0x9u, 0xDu, 0x85u, 0xA0u, 0x1680u, 0x2028u, 0x3000u}) {
    EXPECT_EQ(class_of(c), CharClass::kSpace) << c;
  }
  EXPECT_EQ(class_of(0x200B), CharClass::kOther);  // zero width space is no White_Space
  EXPECT_EQ(class_of(0x2A6DF), CharClass::kLetter);
  EXPECT_EQ(class_of(0x2163), CharClass::kNumber);  // Roman numeral four
  EXPECT_EQ(class_of(0x10FFFF), CharClass::kOther);
}

}  // namespace
}  // namespace mft
