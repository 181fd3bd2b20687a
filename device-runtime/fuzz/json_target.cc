// JSON Lines: reading a value and skipping it accept the same, in whatever pieces the bytes come.
#include <algorithm>
#include <cstring>
#include <string>

#include "base/error.h"
#include "fuzz/target.h"
#include "text/json_reader.h"

namespace mft::fuzz {
namespace {

constexpr const char* kWhere = "the value";
constexpr std::size_t kLineBytes = 4096;

ByteReader in_pieces(std::string_view bytes, std::size_t piece) {
  return [bytes, piece](char* buffer, std::size_t capacity) mutable {
    const std::size_t taken = std::min({piece, capacity, bytes.size()});
    std::memcpy(buffer, bytes.data(), taken);
    bytes.remove_prefix(taken);
    return taken;
  };
}

void read_value(JsonReader& json) {
  std::string text;
  switch (json.type(kWhere)) {
    case JsonType::kObject:
      json.begin_object(kWhere);
      while (json.next_key(text)) {
        require(text.size() <= JsonReader::kMaxKeyBytes, "a key that is too long");
        read_value(json);
      }
      return;
    case JsonType::kList:
      json.begin_list(kWhere);
      while (json.next_element()) read_value(json);
      return;
    case JsonType::kString:
      json.read_string(text, kWhere);
      require(text.size() <= kLineBytes, "a string longer than its line");
      return;
    case JsonType::kBool:
      (void)json.read_bool(kWhere);
      return;
    case JsonType::kNumber:
    case JsonType::kNull:
      json.skip();
      return;
  }
}

// What became of the file.
struct Outcome {
  std::string where;  // the code and the line of its refusal, nothing when it is accepted
  std::string words;
  bool operator==(const Outcome&) const = default;
};

Outcome outcome(std::string_view bytes, std::size_t piece, bool skip) {
  LineSource source(in_pieces(bytes, piece), "data.jsonl", kLineBytes);
  JsonReader json(source);
  Outcome refusal;
  (void)accepts("data.bad-record data.not-utf8", [&] {
    try {
      while (json.next_record()) {
        skip ? json.skip() : read_value(json);
        json.end_record();
      }
    } catch (const Failure& failure) {
      refusal = {failure.code() + " in line " + std::to_string(source.line()), failure.what()};
      const std::string message = failure.what();
      const std::string line = "line " + std::to_string(source.line());
      require(message.starts_with("data.jsonl ") && message.find(line) != std::string::npos,
              "a message without file and line");
      throw;
    }
  });
  return refusal;
}

// First byte: how long the pieces are.
void run(std::string_view bytes) {
  Input input(bytes);
  const std::size_t piece = 1 + input.byte();
  const Outcome whole = outcome(input.rest(), bytes.size(), false);
  require(outcome(input.rest(), piece, false) == whole, "pieces are read otherwise than the whole");
  require(outcome(input.rest(), piece, true).where == whole.where, "a value that is skipped is checked otherwise");
}

const Registration kTarget("json", run);

}  // namespace
}  // namespace mft::fuzz
