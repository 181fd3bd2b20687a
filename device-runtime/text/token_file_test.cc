#include "text/token_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/test_folder.h"
#include "text/test_tables.h"
#include "text/tokenize.h"
#include "text/tokenizer.h"

namespace mft {
namespace {

class TokenFileTest : public testing::Test {
 protected:
  TestFolder folder_;
  std::string text_ = folder_ / "text.txt";
  std::string out_ = folder_ / "tokens";

  void write_text(std::string_view text) { write_atomically(text_, text); }
  Failure failure_of(const std::string& text_path, const TokenProgress& progress = {}) {
    try {
      tokenize_file(text_path, tiny_path(), out_, {}, progress);
    } catch (const Failure& failure) {
      return failure;
    }
    return Failure("", "it did not fail");
  }
};

std::vector<std::int32_t> ids_of(const TokenFile& file) {
  std::vector<std::int32_t> ids;
  for (std::uint64_t i = 0; i < file.size(); ++i) ids.push_back(static_cast<std::int32_t>(file.at(i)));
  return ids;
}

std::vector<std::int32_t> encoded(const std::string& text) {
  std::vector<std::int32_t> ids;
  Tokenizer::open(tiny_path()).encode(text, ids);
  return ids;
}

std::uint64_t field(const std::string& bytes, std::size_t at, std::size_t width) {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data() + at, width);
  return value;
}

// The tiny tables without merges and with so many more (empty) ids that a token file needs 4 bytes each.
std::string wide_tables() {
  std::string bytes = tiny_bytes();
  constexpr std::uint32_t kMore = 70000;  // a multiple of 2: sections stay at multiples of 8
  const auto set = [&](std::size_t at, std::uint64_t value, std::size_t width) {
    std::memcpy(bytes.data() + at, &value, width);
  };
  const std::size_t merges = field(bytes, 112, 8);
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(merges), 8 * field(bytes, 44, 4), '\0');
  set(40, 0, 4);
  const std::size_t count = field(bytes, 36, 4);
  const std::size_t offsets = field(bytes, 80, 8);
  const std::string last = bytes.substr(offsets + 4 * count, 4);
  std::string more;
  for (std::uint32_t i = 0; i < kMore; ++i) more += last;
  bytes.insert(offsets + 4 * (count + 1), more);
  set(16, bytes.size(), 8);
  set(36, count + kMore, 4);
  for (const std::size_t section : {88, 104, 112, 120, 136, 144})
    set(section, field(bytes, section, 8) + more.size(), 8);
  return bytes;
}

TEST_F(TokenFileTest, HoldsTheTokensOfTheText) {
  const std::string text = hostile_text(1, 30000);  // several reads
  write_text(text);
  std::vector<std::uint64_t> progress;
  const TokenFile file =
      tokenize_file(text_, tiny_path(), out_, {}, [&](std::uint64_t done, std::uint64_t total) {
        EXPECT_EQ(total, text.size());
        progress.push_back(done);
      });
  EXPECT_EQ(ids_of(file), encoded(text));
  EXPECT_EQ(file.text_bytes(), text.size());
  EXPECT_EQ(file.text_sha256(), sha256(text));
  EXPECT_EQ(file.tokenizer_sha256(), sha256(tiny_bytes()));
  ASSERT_FALSE(progress.empty());
  EXPECT_EQ(progress.back(), text.size());
  EXPECT_EQ(stat_path(out_)->bytes, 192 + 2 * file.size());
}

TEST_F(TokenFileTest, FourBytesForALargeVocabulary) {
  write_text("hello world");
  write_atomically(folder_ / "wide.bin", wide_tables());
  const TokenFile file = tokenize_file(text_, folder_ / "wide.bin", out_);
  EXPECT_EQ(ids_of(file), (std::vector<std::int32_t>{'h', 'e', 'l', 'l', 'o', ' ', 'w', 'o', 'r', 'l', 'd'}));
  EXPECT_EQ(stat_path(out_)->bytes, 192u + 4 * 11);
}

TEST_F(TokenFileTest, WhatBeginsATextStandsBeforeItOnce) {
  write_text("hello\n\nworld");
  EXPECT_EQ(ids_of(tokenize_file(text_, marks_path(), out_)),
            (std::vector<std::int32_t>{299, 280, 301, 267, 282, 284}));
  write_text("");
  EXPECT_THROW(tokenize_file(text_, marks_path(), out_), Failure);
}

TEST_F(TokenFileTest, IsMadeOnceAndAgainWhenItsInputsChange) {
  write_text("hello world");
  tokenize_file(text_, tiny_path(), out_);
  const std::uint64_t made = stat_path(out_)->inode;
  EXPECT_EQ(tokenize_file(text_, tiny_path(), out_).size(), 2u);
  EXPECT_EQ(stat_path(out_)->inode, made);

  write_text("hello hello");  // of the same size
  EXPECT_EQ(ids_of(tokenize_file(text_, tiny_path(), out_)), encoded("hello hello"));
  EXPECT_EQ(tokenize_file(text_, tiny_path(), out_).text_sha256(), sha256("hello hello"));

  write_atomically(folder_ / "other.bin", wide_tables());
  EXPECT_EQ(tokenize_file(text_, folder_ / "other.bin", out_).tokenizer_sha256(), sha256(wide_tables()));
}

TEST_F(TokenFileTest, ADamagedFileIsNoticedAndMadeAgain) {
  write_text(hostile_text(2, 100));
  const std::uint64_t count = tokenize_file(text_, tiny_path(), out_).size();
  const std::string whole = read_all(out_, 1 << 20);
  for (const std::string& damaged : {std::string(), whole.substr(0, 100), whole.substr(0, whole.size() - 2),
                                     whole + "x", "X" + whole.substr(1)}) {
    write_atomically(out_, damaged);
    EXPECT_THROW(TokenFile::open(out_), Failure);
    EXPECT_EQ(tokenize_file(text_, tiny_path(), out_).size(), count);
    EXPECT_EQ(read_all(out_, 1 << 20), whole);
  }
}

TEST_F(TokenFileTest, CancelledLeavesNothing) {
  write_text(hostile_text(3, 1000));
  EXPECT_EQ(
      failure_of(text_, [](std::uint64_t, std::uint64_t) { throw Failure("cancelled", "enough"); }).code(),
      "cancelled");
  EXPECT_EQ(list_directory(folder_.path()), (std::vector<std::string>{"text.txt"}));
}

TEST_F(TokenFileTest, SaysWhatIsWrongWithTheText) {
  EXPECT_EQ(failure_of(folder_ / "none.txt").code(), "data.not-found");
  EXPECT_EQ(failure_of(folder_.path()).code(), "data.not-a-file");
  write_text("");
  EXPECT_EQ(failure_of(text_).code(), "data.empty");
  write_text(std::string(100000, 'x') + "\nline two\nthree \xE9!\n");
  const Failure failure = failure_of(text_);
  EXPECT_EQ(failure.code(), "data.not-utf8");
  EXPECT_EQ(std::string(failure.what()), text_ + ": the text is not UTF-8: line 3, byte 100016");
  EXPECT_EQ(list_directory(folder_.path()), (std::vector<std::string>{"text.txt"}));
}

}  // namespace
}  // namespace mft
