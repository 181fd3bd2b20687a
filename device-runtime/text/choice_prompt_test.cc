#include "text/choice_prompt.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace mft {
namespace {

ChoiceQuestion read(const std::string& line, const ChoiceFields& fields = {}) {
  LineSource source(reader_of(line), "q.jsonl");
  JsonReader json(source);
  EXPECT_TRUE(json.next_record());
  ChoiceQuestion question = read_choice_question(json, fields);
  json.end_record();
  return question;
}

std::string error_of(const std::string& line) {
  try {
    read(line);
  } catch (const Failure& failure) {
    return failure.what();
  }
  return "";
}

TEST(ChoicePrompt, IsMmlusOfLmEvaluationHarness) {
  const ChoiceQuestion question =
      read(R"({"subject":"x","question":" \u00a0What is 2+2?\n","choices":["3"," 4 ","5","6"],"answer":1})");
  EXPECT_EQ(choice_prompt(question), "What is 2+2?\nA. 3\nB.  4 \nC. 5\nD. 6\nAnswer:");
  EXPECT_EQ(choice_letter(question.answer), "B");
}

TEST(ChoicePrompt, TheAnswerIsAnIndexALetterOrAChoice) {
  const auto answer = [](const std::string& json) {
    return read(R"({"answer":)" + json + R"(,"question":"q","choices":["no","yes","B or not"]})").answer;
  };
  EXPECT_EQ(answer("0"), 0u);
  EXPECT_EQ(answer("2"), 2u);
  EXPECT_EQ(answer("\"B\""), 1u);
  EXPECT_EQ(answer("\"yes\""), 1u);
  EXPECT_EQ(read(R"({"q":"q","c":["a","b"],"a":"A"})", {"q", "c", "a"}).answer, 0u);
  // A choice that is a letter: the same if it stands at its place.
  EXPECT_EQ(read(R"({"question":"q","choices":["A","B"],"answer":"B"})").answer, 1u);
}

TEST(ChoicePrompt, SaysWhatIsWrong) {
  const std::string at = "q.jsonl line 1: expected ";
  EXPECT_EQ(error_of(R"({"choices":["a","b"],"answer":0})"), at + "field \"question\", found none");
  EXPECT_EQ(error_of(R"({"question":"q","answer":0})"), at + "field \"choices\", found none");
  EXPECT_EQ(error_of(R"({"question":"q","choices":["a","b"]})"), at + "field \"answer\", found none");
  EXPECT_EQ(error_of(R"({"question":1})"), at + "a string in field \"question\", found a number");
  EXPECT_EQ(error_of(R"({"question":"a","question":"b"})"), at + "field \"question\" once, found it twice");
  EXPECT_EQ(error_of(R"({"question":"q","choices":["a"],"answer":0})"), at + "at least 2 choices, found 1");
  EXPECT_EQ(error_of(R"({"question":"q","choices":["a",2],"answer":0})"),
            at + "a string in field \"choices\", found a number");
  EXPECT_EQ(error_of(R"({"question":"q","choices":["a","b"],"answer":2})"),
            at + "the index of one of the 2 choices, from 0, in field \"answer\", found another number");
  EXPECT_EQ(error_of(R"({"question":"q","choices":["a","b"],"answer":"C"})"),
            at + "a letter up to B or one of the choices in field \"answer\", found another string");
  EXPECT_EQ(error_of(R"({"question":"q","choices":["B","a"],"answer":"B"})"),
            at + "one meaning of the letter in field \"answer\", found also a choice of that text; give its index");
  EXPECT_EQ(error_of(R"({"question":"q","choices":["x","x"],"answer":"x"})"),
            at + "one choice with the text in field \"answer\", found two; give its index");
  EXPECT_EQ(error_of(R"({"question":"q","choices":["x","y"],"answer":null})"),
            at + "an index, a letter or one of the choices in field \"answer\", found null");
  std::string many;
  for (int i = 0; i < 27; ++i) many += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\"";
  EXPECT_EQ(error_of(R"({"question":"q","choices":[)" + many + R"(],"answer":0})"),
            at + "at most 26 choices, found more");
}

}  // namespace
}  // namespace mft
