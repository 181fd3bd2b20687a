#include "text/utf8.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace mft {
namespace {

std::string error_of(const std::string& text, std::size_t piece) {
  try {
    Utf8Checker checker;
    for (std::size_t at = 0; at < text.size(); at += piece)
      checker.feed(std::string_view(text).substr(at, piece));
    checker.finish();
    return "";
  } catch (const Failure& failure) {
    EXPECT_EQ(failure.code(), "data.not-utf8");
    EXPECT_NE(failure.hint(), "");
    return failure.what();
  }
}

TEST(Utf8, KnowsValidFromInvalid) {
  const std::string valid[] = {"",
                               "abc",
                               "\xC2\x80",
                               "\xDF\xBF",
                               "\xE0\xA0\x80",
                               "\xED\x9F\xBF",
                               "\xEE\x80\x80",
                               "\xEF\xBF\xBF",
                               "\xF0\x90\x80\x80",
                               "\xF4\x8F\xBF\xBF",
                               std::string(3, '\0')};
  for (const std::string& text : valid) EXPECT_EQ(error_of(text, 1), "") << text;
  // Overlong, surrogates, above U+10FFFF, stray and missing continuations, bytes that never occur.
  const std::string invalid[] = {
      "\x80",         "\xBF",         "\xC0\x80",         "\xC1\xBF",         "\xE0\x9F\xBF",
      "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
      "\xFF",         "\xC3",         "\xE2\x82",         "\xF0\x9F\x98",     "\xC3(",
      "\xE2\x28\xA1", "\xE2\x82("};
  for (const std::string& text : invalid) {
    for (const std::size_t piece : {1u, 2u, 3u, 100u}) EXPECT_NE(error_of(text, piece), "") << text;
  }
}

TEST(Utf8, SaysWhereWhereverTheTextIsCut) {
  const std::string text = "one\ntwo\xC3\xA9\nthree\xE2\x82\xAC \xE2\x82(four\n";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    EXPECT_EQ(error_of(text, piece), "the text is not UTF-8: line 3, byte 19") << piece;
  }
  EXPECT_EQ(error_of("a\n\xF0\x9F", 1), "the text is not UTF-8: line 2, byte 2");
}

TEST(Utf8, CountsLinesAndWhatIsUnfinished) {
  Utf8Checker checker;
  checker.feed("a\nb\n\xF0\x9F");
  EXPECT_EQ(checker.lines(), 2u);
  EXPECT_EQ(checker.unfinished(), 2u);
  checker.feed("\x98");
  EXPECT_EQ(checker.unfinished(), 3u);
  checker.feed("\x80\n");
  EXPECT_EQ(checker.unfinished(), 0u);
  EXPECT_EQ(checker.lines(), 3u);
  checker.finish();
}

TEST(Utf8, ReplacesMaximalParts) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(replace_invalid_utf8("a\xC3\xA9"), "a\xC3\xA9");
  EXPECT_EQ(replace_invalid_utf8("\xE2\x82"), r);  // one cut sequence
  EXPECT_EQ(replace_invalid_utf8("\xE2\x82z"), r + "z");
  EXPECT_EQ(replace_invalid_utf8("\xED\xA0\x80"), r + r + r);  // a surrogate: no valid beginning
  EXPECT_EQ(replace_invalid_utf8("\xF0\x9F\x98\xF0\x9F\x98\x80"), r + "\xF0\x9F\x98\x80");
  EXPECT_EQ(replace_invalid_utf8("\xFF\x80"), r + r);
}

}  // namespace
}  // namespace mft
