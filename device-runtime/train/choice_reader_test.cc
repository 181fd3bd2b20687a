#include "train/choice_reader.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace mft::train {
namespace {

constexpr auto kTask = v1::DATA_FORMAT_UNSPECIFIED;
constexpr auto kQuestions = v1::DATA_FORMAT_CHOICES;
using Texts = std::vector<std::string>;

std::vector<ChoiceRecord> read(const std::string& lines, v1::DataFormat format,
                               v1::ChoiceTask::Method method = v1::ChoiceTask::METHOD_LIKELIHOOD,
                               const ChoiceFields& fields = {}) {
  LineSource source(reader_of(lines), "q.jsonl");
  ChoiceReader reader(source, format, method, fields);
  std::vector<ChoiceRecord> records;
  for (ChoiceRecord record; reader.next(record);) records.push_back(record);
  return records;
}

std::string error_of(const std::string& lines, v1::DataFormat format) {
  try {
    read(lines, format);
  } catch (const Failure& failure) {
    return failure.code() + ": " + failure.what();
  }
  return "";
}

TEST(ChoiceReader, PutsThePrefixBeforeWhatFollowsIt) {
  const auto records = read(R"({"context":"a","choices":["x","y"],"answer":1}
{"prefix":"P "}

{"answer":0,"choices":["ž 🐳","y","z"],"more":[{}],"context":"b","group":"g"}
{"prefix":""}
{"context":"","choices":["x","y"],"answer":0})",
                            kTask);
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].context, "a");
  EXPECT_EQ(records[0].continuations, (Texts{" x", " y"}));
  EXPECT_EQ(records[0].answer, 1u);
  EXPECT_EQ(records[0].group, "");
  EXPECT_EQ(records[1].context, "P b");
  EXPECT_EQ(records[1].continuations, (Texts{" ž 🐳", " y", " z"}));
  EXPECT_EQ(records[1].characters, (std::vector<std::uint32_t>{3, 1, 1}));
  EXPECT_EQ(records[1].group, "g");
  EXPECT_EQ(records[2].context, "");
}

TEST(ChoiceReader, AsksQuestionsByLetterOrByText) {
  const std::string line = R"({"question":" Why? ","choices":["so","no"],"answer":"B"})";
  const auto letters = read(line, kQuestions, v1::ChoiceTask::METHOD_LETTER);
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].context, "Why?\nA. so\nB. no\nAnswer:");
  EXPECT_EQ(letters[0].continuations, (Texts{" A", " B"}));
  EXPECT_EQ(letters[0].characters, (std::vector<std::uint32_t>{1, 1}));
  EXPECT_EQ(letters[0].answer, 1u);
  EXPECT_EQ(read(line, kQuestions, v1::ChoiceTask::METHOD_UNSPECIFIED)[0].context, letters[0].context);
  const auto texts = read(line, kQuestions);
  EXPECT_EQ(texts[0].context, "Question: Why?\nAnswer:");
  EXPECT_EQ(texts[0].continuations, (Texts{" so", " no"}));
  EXPECT_EQ(texts[0].characters, (std::vector<std::uint32_t>{2, 2}));
  const auto renamed = read(R"({"q":"Why?","c":["so","no"],"a":0})", kQuestions,
                            v1::ChoiceTask::METHOD_LIKELIHOOD, {"q", "c", "a"});
  EXPECT_EQ(renamed[0].context, texts[0].context);
}

TEST(ChoiceReader, SaysWhatIsWrongAndWhere) {
  const std::string good = R"({"context":"a","choices":["x","y"],"answer":0})"
                           "\n";
  const std::string at = "data.bad-record: q.jsonl line 2: expected ";
  EXPECT_EQ(error_of(good + R"({"choices":["x","y"],"answer":0})", kTask),
            at + "field \"context\", found none");
  EXPECT_EQ(error_of(good + R"({"context":"a","answer":0})", kTask),
            at + "at least 2 choices in field \"choices\", found 0");
  EXPECT_EQ(error_of(good + R"({"context":"a","choices":["x"],"answer":0})", kTask),
            at + "at least 2 choices in field \"choices\", found 1");
  EXPECT_EQ(error_of(good + R"({"context":"a","choices":["x","y"],"answer":2})", kTask),
            at + "the index of one of the choices in field \"answer\", found another number");
  EXPECT_EQ(error_of(good + R"({"context":"a","choices":["x","y"]})", kTask),
            at + "the index of one of the choices in field \"answer\", found none");
  EXPECT_EQ(error_of(good + R"({"context":"a","choices":["x",""],"answer":0})", kTask),
            at + "a choice with some text, found an empty one");
  EXPECT_EQ(error_of(good + R"({"prefix":"a","context":"b","choices":["x","y"],"answer":0})", kTask),
            at + "a \"prefix\" in a line of its own, found a question beside it");
  EXPECT_NE(error_of(good + R"({"context":1})", kTask).find("field \"context\""), std::string::npos);
  EXPECT_NE(error_of(good, kQuestions).find("field \"question\", found none"), std::string::npos);
}

}  // namespace
}  // namespace mft::train
