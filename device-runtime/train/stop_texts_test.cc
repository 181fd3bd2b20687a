#include "train/stop_texts.h"

#include <gtest/gtest.h>

#include "text/test_tables.h"

namespace mft::train {
namespace {

struct Written {
  std::string text;
  bool stopped = false;
  bool operator==(const Written&) const = default;
};

Written write(const std::vector<std::string>& stops, const std::vector<std::string>& pieces) {
  StopTexts texts(stops);
  Written written;
  for (const std::string& piece : pieces) {
    written.stopped = texts.push(piece, written.text);
    if (written.stopped) return written;
  }
  texts.finish(written.text);
  return written;
}

TEST(StopTexts, EndsBeforeTheTextAcrossPieces) {
  EXPECT_EQ(write({"END"}, {"a E", "N", "Db"}), (Written{"a ", true}));
  EXPECT_EQ(write({"END"}, {"a E", "N", "b"}), (Written{"a ENb", false}));
  EXPECT_EQ(write({"END"}, {"a E", "N"}), (Written{"a EN", false}));
  EXPECT_EQ(write({"END"}, {"END"}), (Written{"", true}));
  EXPECT_EQ(write({"aab"}, {"a", "a", "a", "b"}), (Written{"a", true}));
  EXPECT_EQ(write({"\n\n"}, {"a\n", "b\n", "\nc"}), (Written{"a\nb", true}));
  EXPECT_EQ(write({}, {"END", ""}), (Written{"END", false}));
}

TEST(StopTexts, OfSeveralTheOneThatEndsFirst) {
  EXPECT_EQ(write({"abcd", "bc"}, {"xabcd"}), (Written{"xa", true}));
  EXPECT_EQ(write({"c", "abc"}, {"xabc"}), (Written{"x", true}));
  EXPECT_EQ(write({"later", "now"}, {"n", "ow later"}), (Written{"", true}));
}

TEST(StopTexts, WhatIsGivenOutIsNeverTakenBackAndHeldBackNoLongerThanNeeded) {
  StopTexts texts({"abc"});
  std::string out;
  EXPECT_FALSE(texts.push("xab", out));
  EXPECT_EQ(out, "x");
  EXPECT_FALSE(texts.push("ab", out));
  EXPECT_EQ(out, "xab");  // the second "ab" may still become one
  EXPECT_FALSE(texts.push("d", out));
  EXPECT_EQ(out, "xababd");
}

// Against the definition, on the whole text; however it is cut.
TEST(StopTexts, CuttingDoesNotMatter) {
  TestRandom random(5);
  const auto word = [&](std::size_t length) {
    std::string made;
    for (std::size_t i = 0; i < length; ++i) made.push_back(random.below(2) == 0 ? 'a' : 'b');
    return made;
  };
  int stopped = 0;
  for (int i = 0; i < 3000; ++i) {
    std::vector<std::string> stops;
    for (std::uint64_t n = random.below(3); stops.size() <= n;) stops.push_back(word(1 + random.below(5)));
    const std::string text = word(random.below(20));
    Written expected{text, false};
    for (std::size_t end = 1; end <= text.size() && !expected.stopped; ++end) {
      for (const std::string& stop : stops) {
        if (!std::string_view(text).substr(0, end).ends_with(stop)) continue;
        expected.stopped = true;
        expected.text = std::min(expected.text, text.substr(0, end - stop.size()),
                                 [](const auto& a, const auto& b) { return a.size() < b.size(); });
      }
    }
    stopped += expected.stopped ? 1 : 0;
    std::vector<std::string> pieces;
    for (std::size_t at = 0; at < text.size();) {
      pieces.push_back(text.substr(at, 1 + random.below(4)));
      at += pieces.back().size();
    }
    ASSERT_EQ(write(stops, pieces), expected) << text;
    ASSERT_EQ(write(stops, {text}), expected) << text;
  }
  EXPECT_GT(stopped, 500);
}

}  // namespace
}  // namespace mft::train
