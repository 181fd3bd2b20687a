#include "text/json_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"

namespace mft {
namespace {

std::string error_of(const std::string& line) {
  LineSource source(reader_of(line), "file.jsonl");
  JsonReader json(source);
  try {
    while (json.next_record()) {
      json.skip();
      json.end_record();
    }
  } catch (const Failure& failure) {
    EXPECT_TRUE(failure.code() == "data.bad-record" || failure.code() == "data.not-utf8") << failure.code();
    return failure.what();
  }
  return "";
}

// The string that one JSON string stands for, read with cuts after every `piece` bytes.
std::string string_of(const std::string& json_text, std::size_t piece = 1000) {
  std::string_view left = json_text;
  LineSource source(
      [&](char* buffer, std::size_t capacity) {
        const std::size_t count = std::min({capacity, piece, left.size()});
        std::copy_n(left.data(), count, buffer);
        left.remove_prefix(count);
        return count;
      },
      "file.jsonl");
  JsonReader json(source);
  EXPECT_TRUE(json.next_record());
  std::string out;
  json.read_string(out, "field \"text\"");
  json.end_record();
  return out;
}

TEST(JsonReader, ReadsFieldsInTheOrderOfTheFile) {
  const std::string text =
      "\xEF\xBB\xBF\r\n  \t\n {\"a\" : [1, -20 ,3],\"skip\":{\"x\":[{},[],null,1.5e-3]} , \"b\":\"two\",\"c\":true}\r\n\n"
      "{\"b\":\"\"}";
  LineSource source(reader_of(text), "file.jsonl");
  JsonReader json(source);
  ASSERT_TRUE(json.next_record());
  EXPECT_EQ(source.line(), 3u);
  std::vector<std::string> keys;
  std::vector<std::int64_t> numbers;
  std::string b;
  std::string key;
  json.begin_object("");
  while (json.next_key(key)) {
    keys.push_back(key);
    if (key == "a") {
      json.begin_list(key);
      while (json.next_element()) numbers.push_back(json.read_integer(key));
    } else if (key == "b") {
      json.read_string(b, key);
    } else if (key == "c") {
      EXPECT_TRUE(json.read_bool(key));
    } else {
      json.skip();
    }
  }
  json.end_record();
  EXPECT_EQ(keys, (std::vector<std::string>{"a", "skip", "b", "c"}));
  EXPECT_EQ(numbers, (std::vector<std::int64_t>{1, -20, 3}));
  EXPECT_EQ(b, "two");
  ASSERT_TRUE(json.next_record());
  EXPECT_EQ(source.line(), 5u);
  json.skip();
  json.end_record();
  EXPECT_FALSE(json.next_record());
}

TEST(JsonReader, EscapesAreTheirCharacters) {
  const std::string escaped = R"("\"\\\/\b\f\n\r\t\u0041\u00e9\u65E5\ud83d\uDE00\u0000|)"
                              "\xE6\x97\xA5\xF0\x9F\x98\x80\"";
  const std::string expected = std::string("\"\\/\b\f\n\r\tA\xC3\xA9\xE6\x97\xA5\xF0\x9F\x98\x80") +
                               std::string(1, '\0') + "|\xE6\x97\xA5\xF0\x9F\x98\x80";
  for (std::size_t piece = 1; piece < 8; ++piece) EXPECT_EQ(string_of(escaped, piece), expected) << piece;
}

TEST(JsonReader, RefusesWhatIsNoJson) {
  for (const char* bad :
       {"{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{,}", "{a:1}", "{'a':1}", "{\"a\" 1}", "[1,]", "[,1]",
        "[1 2]", "[1", "]", "}", "nul", "nulll", "True", "NaN", "Infinity", "+1", "01", "-", "1.", ".5", "1e", "1e+",
        "0x10", "\"a", "\"\\x41\"", "\"\\u12\"", "\"\\u12g4\"", "\"tab\there\"", "{} {}", "1 2", "[1]]", "\x01",
        "{\"a\":1}x", "// no", "{\"a\":1 /* */}"}) {
    EXPECT_NE(error_of(bad), "") << bad;
  }
  for (const char* good : {"{}", "[]", "0", "-0", "-0.5e+10", "1E5", "true", "false", "null", "\"\"", "\"\\ud83d\\ude00\"",
                           "[[],[[]],{\"a\":{}}]", "{\"a\":1,\"a\":2}", ""}) {
    EXPECT_EQ(error_of(good), "") << good;
  }
}

TEST(JsonReader, SaysFileLineAndWhatWasExpected) {
  EXPECT_EQ(error_of("{}\n\n{\"a\":1,\n\"b\":2}"),
            "file.jsonl line 3: expected a field's name in quotes, found the end of the line at byte 8");
  EXPECT_EQ(error_of("[1, secret]"), "file.jsonl line 1: expected a value, found another character at byte 5");
  EXPECT_EQ(error_of("\"\\udc00\""),
            "file.jsonl line 1: expected no second half of a surrogate pair without the first, found \\uDC00, which is "
            "half of a pair");
  for (const char* half : {"\"\\ud83d\"", "\"\\ud83dx\"", "\"\\ud83d\\n\"", "\"\\ud83d\\u0041\"", "\"\\ud83d\\ud83d\""})
    EXPECT_EQ(error_of(half),
              "file.jsonl line 1: expected a surrogate pair, found \\uD83D, which is half of a pair");
  EXPECT_EQ(error_of(std::string("\0", 1)), "file.jsonl line 1: expected a value, found byte 0x00 at byte 1");
  for (const char* bytes : {"{}\n\"ab\xE9\"", "{}\n\"ab\xED\xA0\x80\"", "{}\n\"ab\xC0\xAF\"", "{}\n\"ab\xE6\x97\"",
                            "{}\n\"ab\xE6\\n\x97\""})
    EXPECT_EQ(error_of(bytes), "file.jsonl is not UTF-8: line 2, after byte 3 of it");
}

TEST(JsonReader, NestingHasALimit) {
  EXPECT_EQ(error_of(std::string(64, '[') + std::string(64, ']')), "");
  EXPECT_EQ(error_of(std::string(65, '[')), "file.jsonl line 1: expected values nested at most 64 deep, found deeper ones");
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
  EXPECT_EQ(error_of(objects), "file.jsonl line 1: expected values nested at most 64 deep, found deeper ones");
}

TEST(JsonReader, WholeNumbersOnly) {
  const auto read = [](const std::string& text) {
    LineSource source(reader_of(text), "file.jsonl");
    JsonReader json(source);
    EXPECT_TRUE(json.next_record());
    return json.read_integer("the list");
  };
  EXPECT_EQ(read("-9223372036854775808"), INT64_MIN);
  for (const char* bad : {"9223372036854775808", "1.0", "1e2", "1000000000000000000000000000000000000000000000000", "\"1\""})
    EXPECT_THROW(read(bad), Failure) << bad;
}

// A line of 1 GiB, made as it is read.
TEST(JsonReader, AHugeLineEndsInAnErrorWithoutItsMemory) {
  const auto huge = [](const std::string& front, char filling) {
    std::uint64_t given = 0;
    LineSource source(
        [&, front](char* buffer, std::size_t capacity) {
          if (given >= (std::uint64_t{1} << 30)) return std::size_t{0};
          std::fill_n(buffer, capacity, filling);
          if (given == 0) std::copy(front.begin(), front.end(), buffer);
          given += capacity;
          return capacity;
        },
        "huge.jsonl");
    JsonReader json(source);
    std::string error;
    try {
      if (json.next_record()) json.skip();
    } catch (const Failure& failure) {
      error = failure.what();
    }
    EXPECT_LE(given, LineSource::kMaxLineBytes + (1 << 17));
    return error;
  };
  const std::string too_long = "huge.jsonl line 1: expected a line of at most 67108864 bytes, found a longer one";
  EXPECT_EQ(huge("{\"text\":\"", 'x'), too_long);
  EXPECT_EQ(huge("{\"", 'x'), too_long);
  EXPECT_EQ(huge("[", '1'), too_long);
  EXPECT_EQ(huge("", ' '), too_long);
  EXPECT_EQ(huge("", '\0'), "huge.jsonl line 1: expected a value, found byte 0x00 at byte 1");
  EXPECT_NE(huge("{\"text\":", '['), "");
}

}  // namespace
}  // namespace mft
