#include "text/data_format.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace mft {
namespace {

std::string recognized(const std::string& text, const std::string& name = "notes.txt", const FieldNames& fields = {}) {
  try {
    return format_name(recognize_format(reader_of(text), name, fields));
  } catch (const Failure& failure) {
    return failure.code() + ": " + failure.what();
  }
}

TEST(DataFormat, IsSeenInTheFirstRecord) {
  EXPECT_EQ(recognized(R"({"text":"a"})"), "texts");
  EXPECT_EQ(recognized("\n\r\n {\"id\":1,\"completion\":[1],\"prompt\":null}\nnot looked at"), "prompt_completion");
  EXPECT_EQ(recognized(R"({"messages":[]})"), "messages");
  EXPECT_EQ(recognized(R"({"question":1,"choices":2,"answer":3})"), "choices");
  EXPECT_EQ(recognized(R"({"input_ids":[1],"labels":[1]})"), "ids");
  EXPECT_EQ(recognized("\xEF\xBB\xBF{\"segments\":[]}"), "segments");
}

TEST(DataFormat, AnythingElseIsPlainText) {
  for (const char* text : {"", "\n\n", "Once upon a time", "{", "{\"other\":1}", "{\"text\":1} and more", "[1]", "{\"text\":\"\xE9\"}",
                           "{\"prompt\":\"\"}", "\"text\""})
    EXPECT_EQ(recognized(text), "text") << text;
}

TEST(DataFormat, AFileNamedAsJsonMustBeIt) {
  EXPECT_EQ(recognized("Once", "data.jsonl"), "data.bad-record: data.jsonl line 1: expected a value, found another character at byte 1");
  EXPECT_EQ(recognized("[1]", "data.JSON"), "data.bad-record: data.JSON line 1: expected an object, found a list");
  EXPECT_EQ(recognized("\n", "data.ndjson"), "data.empty: data.ndjson has no record");
  EXPECT_EQ(recognized("\n{\"Text\":1}", "data.jsonl"),
            "data.format: data.jsonl line 2: expected an object with the fields of one format, found one with those of "
            "none; known are {\"text\"}, {\"prompt\", \"completion\"}, {\"messages\"}, {\"question\", \"choices\", "
            "\"answer\"}, {\"input_ids\"}, {\"segments\"}");
}

TEST(DataFormat, TwoAreAnError) {
  EXPECT_EQ(recognized(R"({"text":"a","messages":[]})"),
            "data.format: notes.txt line 1 has the fields of two formats: texts and messages");
}

TEST(DataFormat, FieldsMayHaveOtherNames) {
  v1::RecordFields fields;
  (*fields.mutable_names())["prompt"] = "question";
  (*fields.mutable_names())["completion"] = "answer";
  EXPECT_EQ(recognized(R"({"question":"a","answer":"b"})", "gsm8k.jsonl", field_names(fields)), "prompt_completion");
  (*fields.mutable_names())["promt"] = "x";
  EXPECT_THROW(field_names(fields), Failure);
  fields.mutable_names()->erase("promt");
  (*fields.mutable_names())["text"] = "";
  EXPECT_THROW(field_names(fields), Failure);
}

}  // namespace
}  // namespace mft
