#include "text/records.h"

#include <gtest/gtest.h>

#include "text/test_records.h"

namespace mft {
namespace {

RecordRules rules(v1::DataFormat format, bool learn_all = false) {
  RecordRules rules;
  rules.format = format;
  rules.learn_all = learn_all;
  rules.id_limit = 100;
  return rules;
}

const std::string kAt = "data.bad-record: data.jsonl line 1: expected ";

TEST(Records, Texts) {
  const RecordRules texts = rules(v1::DATA_FORMAT_TEXTS);
  const std::vector<Record> records = records_of("{\"text\":\"one\"}\n\n{\"x\":0,\"text\":\"\"}\r\n", texts);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(shown(records[0].pieces), "[one]");
  EXPECT_EQ(shown(records[1].pieces), "[]");
  EXPECT_TRUE(records[0].begins && records[0].ends);
  EXPECT_EQ(record_error("{\"text\":\"a\"}\n{\"messages\":[]}", texts),
            "data.bad-record: data.jsonl line 2: expected field \"text\", found none");
  EXPECT_EQ(record_error(R"({"text":"a","text":"b"})", texts), kAt + "field \"text\" once, found it twice");
  EXPECT_EQ(record_error(R"({"text":null})", texts), kAt + "a string in field \"text\", found null");
  EXPECT_EQ(record_error(R"(["text"])", texts), kAt + "an object, found a list");
}

TEST(Records, PromptAndCompletion) {
  RecordRules pair = rules(v1::DATA_FORMAT_PROMPT_COMPLETION);
  EXPECT_EQ(shown(records_of(R"({"completion":"b","prompt":"a"})", pair)[0].pieces), "a|[b]");
  EXPECT_EQ(record_error(R"({"prompt":"a"})", pair), kAt + "field \"completion\", found none");
  pair.learn_all = true;
  EXPECT_EQ(shown(records_of(R"({"completion":"b","prompt":"a"})", pair)[0].pieces), "[a][b]");
  pair.fields.prompt = "question";
  EXPECT_EQ(shown(records_of(R"({"completion":"b","question":"q","prompt":"a"})", pair)[0].pieces), "[q][b]");
}

TEST(Records, Choices) {
  const Record record =
      records_of(R"({"question":"Q","choices":["x","y"],"answer":"y"})", rules(v1::DATA_FORMAT_CHOICES))[0];
  EXPECT_EQ(shown(record.pieces), "Q\nA. x\nB. y\nAnswer:|[ B]");
  EXPECT_TRUE(record.begins);
  EXPECT_FALSE(record.ends);
}

TEST(Records, Segments) {
  const RecordRules segments = rules(v1::DATA_FORMAT_SEGMENTS);
  const std::string line =
      R"({"segments":[{"text":"a","label":false},{"label":false,"text":"b"},{"text":"c","label":true},{"text":"","label":false},{"text":"d","label":true}]})";
  const Record record = records_of(line, segments)[0];
  EXPECT_EQ(shown(record.pieces), "ab|[cd]");
  EXPECT_FALSE(record.begins || record.ends);
  EXPECT_EQ(shown(records_of(line, rules(v1::DATA_FORMAT_SEGMENTS, true))[0].pieces), "[abcd]");
  EXPECT_EQ(record_error(R"({"segments":[{"text":"a"}]})", segments), kAt + "field \"label\", found none");
  EXPECT_EQ(record_error(R"({"segments":[{"text":"a","label":1}]})", segments),
            kAt + "true or false in \"label\" of a segment of field \"segments\", found a number");
  std::string many;
  for (std::size_t i = 0; i <= kMaxPieces; ++i)
    many += std::string(i > 0 ? "," : "") + R"({"text":"a","label":)" + (i % 2 != 0 ? "true}" : "false}");
  EXPECT_EQ(record_error("{\"segments\":[" + many + "]}", segments), kAt + "at most 131072 pieces, found more");
}

TEST(Records, Ids) {
  RecordRules ids = rules(v1::DATA_FORMAT_IDS);
  const std::vector<Record> records =
      records_of("{\"input_ids\":[1,2,99]}\n{\"labels\":[-100,-100,5],\"input_ids\":[3,4,5]}", ids);
  EXPECT_EQ(records[0].ids, (std::vector<std::int32_t>{1, 2, 99}));
  EXPECT_EQ(records[0].learned, (std::vector<bool>{true, true, true}));
  EXPECT_EQ(records[1].learned, (std::vector<bool>{false, false, true}));
  EXPECT_EQ(record_error(R"({"input_ids":[100]})", ids),
            kAt + "ids below 100, the model's vocabulary, in field \"input_ids\", found 100");
  EXPECT_EQ(record_error(R"({"input_ids":[-100]})", ids),
            kAt + "ids below 100, the model's vocabulary, in field \"input_ids\", found -100");
  EXPECT_EQ(record_error(R"({"input_ids":[1.0]})", ids),
            kAt + "a whole number in field \"input_ids\", found another number");
  EXPECT_EQ(record_error(R"({"input_ids":[1,2],"labels":[1]})", ids), kAt + "2 labels, as many as ids, found 1");
  EXPECT_EQ(record_error(R"({"input_ids":[1,2],"labels":[1,3]})", ids),
            kAt + "-100 or the token's own id as a label, found another id as label 1");
  ids.max_ids = 2;
  const Record cut = records_of(R"({"input_ids":[1,2,3,4],"labels":[-100,2,3,4]})", ids)[0];
  EXPECT_EQ(cut.ids, (std::vector<std::int32_t>{1, 2}));
  EXPECT_EQ(cut.learned, (std::vector<bool>{false, true}));
  EXPECT_EQ(cut.all_ids, 4u);
}

}  // namespace
}  // namespace mft
