#include "text/tokenize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/test_folder.h"
#include "text/test_tables.h"
#include "text/tokenizer.h"

namespace mft {
namespace {

using Ids = std::vector<std::int32_t>;

class TokenizeTest : public testing::Test {
 protected:
  TestFolder folder_;
  std::string data_ = folder_ / "data.jsonl";
  std::string out_ = folder_ / "tokens";
  TokenizeOptions options_ = [] {
    TokenizeOptions options;
    options.name = "data.jsonl";
    options.format = v1::DATA_FORMAT_UNSPECIFIED;
    options.id_limit = 1000;
    return options;
  }();

  TokenFile tokenize(const std::string& lines, const std::string& tables = tiny_path()) {
    write_atomically(data_, lines);
    return tokenize_file(data_, tables, out_, options_);
  }
  std::string error(const std::string& lines) {
    try {
      tokenize(lines);
    } catch (const Failure& failure) {
      EXPECT_EQ(list_directory(folder_.path()), (std::vector<std::string>{"data.jsonl"}));
      return failure.code() + ": " + failure.what();
    }
    return "";
  }
};

Ids encoded(const std::string& text, const std::string& tables = tiny_path()) {
  Ids ids;
  Tokenizer::open(tables).encode(text, ids);
  return ids;
}

Ids joined(const std::vector<Ids>& parts) {
  Ids all;
  for (const Ids& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

Ids record_of(const TokenFile& file, std::uint64_t record) {
  const auto [begin, end] = file.record(record);
  Ids ids;
  for (std::uint64_t i = begin; i < end; ++i) ids.push_back(static_cast<std::int32_t>(file.at(i)));
  return ids;
}

std::string learned_of(const TokenFile& file, std::uint64_t record) {
  const auto [begin, end] = file.record(record);
  std::string learned;
  for (std::uint64_t i = begin; i < end; ++i) learned += file.learned(i) ? '1' : '0';
  return learned;
}

TEST_F(TokenizeTest, TextsEndWithTheEndOfSequence) {
  const Ids eos = {Tokenizer::open(tiny_path()).eos()};
  const TokenFile file = tokenize("{\"text\":\"hello world\"}\n{\"text\":\"ab<|endoftext|>\"}\n{\"text\":\"\"}\n");
  EXPECT_EQ(file.format(), v1::DATA_FORMAT_TEXTS);
  ASSERT_EQ(file.records(), 2u);
  EXPECT_EQ(record_of(file, 0), joined({encoded("hello world"), eos}));
  EXPECT_EQ(record_of(file, 1), joined({encoded("ab"), eos}));  // it stands there already
  EXPECT_EQ(learned_of(file, 0), std::string(file.record(0).second, '1'));
  EXPECT_EQ(file.skipped(), 1u);
  EXPECT_EQ(file.truncated(), 0u);
}

TEST_F(TokenizeTest, PromptsStandBetweenTheBeginningAndWhatIsLearned) {
  const Ids bos = {299};
  const Ids eos = {300};
  ASSERT_EQ(Tokenizer::open(marks_path()).eos(), 300);
  const std::string line = "{\"prompt\":\"hello\",\"completion\":\" world\"}\n";
  {
    const TokenFile file = tokenize(line, marks_path());
    EXPECT_EQ(record_of(file, 0),
              joined({bos, encoded("hello", marks_path()), encoded(" world", marks_path()), eos}));
    EXPECT_EQ(learned_of(file, 0), "0011");
  }
  options_.learn_all = true;
  EXPECT_EQ(learned_of(tokenize(line, marks_path()), 0), "1111");
}

TEST_F(TokenizeTest, PromptAndCompletionAreEncodedApart) {
  // "hello" would be one token.
  EXPECT_EQ(record_of(tokenize(R"({"prompt":"he","completion":"llo"})"), 0),
            joined({encoded("he"), encoded("llo"), {Tokenizer::open(tiny_path()).eos()}}));
}

TEST_F(TokenizeTest, IdsAndChoicesEndAsTheyAre) {
  const TokenFile ids = tokenize("{\"input_ids\":[5,6,7],\"labels\":[-100,-100,7]}\n{\"input_ids\":[8,9]}");
  EXPECT_EQ(record_of(ids, 0), (Ids{5, 6, 7}));
  EXPECT_EQ(learned_of(ids, 0), "001");
  EXPECT_EQ(learned_of(ids, 1), "11");
  const TokenFile choices = tokenize(R"({"question":"ab?","choices":["hello","a"],"answer":0})");
  EXPECT_EQ(record_of(choices, 0), joined({encoded("ab?\nA. hello\nB. a\nAnswer:"), encoded(" A")}));
}

TEST_F(TokenizeTest, IdsMayBeAboveTheTokenizers) {
  options_.id_limit = 200000;
  EXPECT_EQ(record_of(tokenize(R"({"input_ids":[1,150000,70000]})"), 0), (Ids{1, 150000, 70000}));
}

TEST_F(TokenizeTest, ChatsHaveNothingAroundThem) {
  options_.chat.emplace();
  for (v1::ChatTemplate::Turn* turn : {options_.chat->mutable_user(), options_.chat->mutable_assistant()}) {
    turn->set_supported(true);
    turn->set_end("<|endoftext|>");
    turn->set_after("\n");
  }
  const TokenFile file =
      tokenize(R"({"messages":[{"role":"user","content":"hello"},{"role":"assistant","content":"ab"}]})");
  EXPECT_EQ(record_of(file, 0), joined({encoded("hello<|endoftext|>\n"), encoded("ab<|endoftext|>"), encoded("\n")}));
  EXPECT_EQ(learned_of(file, 0), "000110");
}

TEST_F(TokenizeTest, WhatIsLongerThanARowIsCutOffAndCounted) {
  options_.max_tokens = 4;
  const TokenFile file = tokenize(
      "{\"input_ids\":[1,2,3,4,5]}\n"
      "{\"input_ids\":[1,2,3,4]}\n"
      "{\"input_ids\":[1,2,3,4,5],\"labels\":[-100,-100,-100,-100,5]}\n"  // what is left has nothing to learn
      "{\"input_ids\":[1,2],\"labels\":[1,-100]}\n"                       // the first token is no target
      "{\"input_ids\":[7]}\n{\"input_ids\":[]}\n"
      "{\"input_ids\":[6,7]}\n");
  ASSERT_EQ(file.records(), 3u);
  EXPECT_EQ(record_of(file, 0), (Ids{1, 2, 3, 4}));
  EXPECT_EQ(record_of(file, 2), (Ids{6, 7}));
  EXPECT_EQ(file.truncated(), 1u);
  EXPECT_EQ(file.skipped(), 4u);
}

TEST_F(TokenizeTest, NothingToLearnAtAllIsAnError) {
  options_.max_tokens = 4;
  EXPECT_EQ(error(R"({"input_ids":[1,2,3,4,5],"labels":[-100,-100,-100,-100,5]})"),
            "data.empty: data.jsonl: there is nothing to learn in any of its 1 records within 4 tokens");
}

TEST_F(TokenizeTest, ALongTextIsCutOffAsItIsEncoded) {
  options_.max_tokens = 10;
  std::string text;
  while (text.size() < (3u << 20)) text += "hello world ";
  const TokenFile file = tokenize("{\"text\":\"" + text + "\"}");
  Ids all = encoded(text);
  all.resize(10);
  EXPECT_EQ(record_of(file, 0), all);
  EXPECT_EQ(file.truncated(), 1u);
}

TEST_F(TokenizeTest, ManyRecordsKeepTheirBitsAndEnds) {
  TestRandom random(7);
  std::string lines;
  std::vector<Ids> ids;
  std::vector<std::string> learned;
  for (int i = 0; i < 30000; ++i) {  // more than a buffer of ends
    std::string id_list;
    std::string labels;
    ids.emplace_back();
    learned.emplace_back();
    const std::size_t count = 2 + random.below(9);
    for (std::size_t k = 0; k < count; ++k) {
      const bool learn = k + 1 == count || random.below(2) == 0;
      ids.back().push_back(static_cast<std::int32_t>(random.below(1000)));
      learned.back() += learn ? '1' : '0';
      const std::string id = std::to_string(ids.back().back());
      id_list += (k > 0 ? "," : "") + id;
      labels += (k > 0 ? "," : "") + (learn ? id : "-100");
    }
    lines += "{\"input_ids\":[" + id_list + "],\"labels\":[" + labels + "]}\n";
  }
  const TokenFile file = tokenize(lines);
  ASSERT_EQ(file.records(), ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    ASSERT_EQ(record_of(file, i), ids[i]) << i;
    ASSERT_EQ(learned_of(file, i), learned[i]) << i;
  }
  EXPECT_EQ(list_directory(folder_.path()), (std::vector<std::string>{"data.jsonl", "tokens"}));
}

TEST_F(TokenizeTest, IsMadeAgainWhenWhatShapedItChanges) {
  const std::string line = R"({"prompt":"hello","completion":"ab"})";
  tokenize(line);
  const auto inode = [&] { return stat_path(out_)->inode; };
  std::uint64_t made = inode();
  const auto remade = [&] {
    tokenize_file(data_, tiny_path(), out_, options_);
    const bool other = inode() != made;
    made = inode();
    return other;
  };
  EXPECT_FALSE(remade());
  options_.learn_all = true;
  EXPECT_TRUE(remade());
  options_.max_tokens = 5;
  EXPECT_TRUE(remade());
  options_.format = v1::DATA_FORMAT_PROMPT_COMPLETION;
  EXPECT_TRUE(remade());
  (*options_.fields.mutable_names())["text"] = "other";
  EXPECT_TRUE(remade());
  options_.chat.emplace().set_begin("x");
  EXPECT_TRUE(remade());
  options_.name = "another name";
  EXPECT_FALSE(remade());
  options_.format = v1::DATA_FORMAT_TEXT;
  EXPECT_TRUE(remade());
  options_.learn_all = false;  // nothing to a text
  EXPECT_FALSE(remade());
}

TEST_F(TokenizeTest, SaysWhichRecordIsWrongAndLeavesNothing) {
  EXPECT_EQ(error("{\"text\":\"a\"}\n{\"text\":1}"),
            "data.bad-record: data.jsonl line 2: expected a string in field \"text\", found a number");
  EXPECT_EQ(error("{\"text\":\"a\"}\n{\"text\":\"\xE9\"}"),
            "data.not-utf8: data.jsonl is not UTF-8: line 2, after byte 9 of it");
  EXPECT_EQ(error("\n"), "data.empty: data.jsonl has no record");
  EXPECT_EQ(error("{\"text\":\"\"}\n{\"text\":\"\"}"),
            "data.empty: data.jsonl: there is nothing to learn in any of its 2 records");
  EXPECT_EQ(error(R"({"messages":[]})"),
            "data.chat-template: data.jsonl has conversations, but the model has no chat template that can be used: it "
            "came with none");
  const std::string word(kMaxWordBytes + 10, 'x');
  EXPECT_EQ(error("{\"text\":\"a\"}\n{\"text\":\"" + word + "\"}").substr(0, 50),
            "data.word-too-long: data.jsonl line 2: the text ha");
}

TEST_F(TokenizeTest, ADamagedFileOfRecordsIsNoticed) {
  tokenize("{\"input_ids\":[1,2,3]}\n{\"input_ids\":[4,5]}");
  const std::string whole = read_all(out_, 1 << 20);
  const auto with = [&](std::size_t at, char byte) {
    std::string bytes = whole;
    bytes[at] = byte;
    return bytes;
  };
  for (const std::string& damaged :
       {whole.substr(0, whole.size() - 8), whole + std::string(8, '\0'), with(12, 0), with(12, 99), with(12, 1),
        with(16, 6), with(23, '\x80'), with(24, 3), with(31, '\x7F'), with(whole.size() - 8, 4)}) {
    write_atomically(out_, damaged);
    EXPECT_THROW(TokenFile::open(out_), Failure);
  }
  write_atomically(out_, with(whole.size() - 16, 5));  // the first record's end
  const TokenFile file = TokenFile::open(out_);
  EXPECT_THROW(file.record(1), Failure);
  write_atomically(out_, with(whole.size() - 16, 9));
  EXPECT_THROW(TokenFile::open(out_).record(0), Failure);
}

}  // namespace
}  // namespace mft
