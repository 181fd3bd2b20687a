// Records of every format, from bytes to tokens. First byte: the format (the phone's own recognition when it is
// none) and what is learned; second byte: which chat template, and how long the pieces are that the file comes in.
#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "fuzz/target.h"
#include "text/record_encoder.h"
#include "text/records.h"
#include "text/test_tables.h"

namespace mft::fuzz {
namespace {

constexpr const char* kCodes = "data.bad-record data.not-utf8 data.chat-template data.format data.empty";
constexpr std::uint64_t kLimit = 64;
constexpr std::uint32_t kIds = 300;

ByteReader in_pieces(std::string_view bytes, std::size_t piece) {
  return [bytes, piece](char* buffer, std::size_t capacity) mutable {
    const std::size_t taken = std::min({piece, capacity, bytes.size()});
    std::memcpy(buffer, bytes.data(), taken);
    bytes.remove_prefix(taken);
    return taken;
  };
}

v1::ChatTemplate chat_template(bool strict) {
  v1::ChatTemplate chat;
  for (v1::ChatTemplate::Turn* turn : {chat.mutable_system(), chat.mutable_user(), chat.mutable_assistant()}) {
    turn->set_supported(true);
    turn->set_before("<|pad|>");
    turn->set_end("<|endoftext|>");
    turn->set_after("\n");
  }
  if (!strict) return chat;
  chat.mutable_system()->set_supported(false);
  chat.set_system_in_user(true);
  chat.set_system_joint("\n\n");
  chat.set_trim(true);
  chat.set_alternate(true);
  return chat;
}

void check(const Record& record) {
  require(record.ids.size() == record.learned.size(), "ids and what is learned of them differ in number");
  require(record.ids.size() <= kLimit && record.ids.size() <= record.all_ids, "more ids than asked for");
  for (const std::int32_t id : record.ids) {
    require(id >= 0 && static_cast<std::uint32_t>(id) < kIds, "an id out of range");
  }
  require(record.pieces.size() <= kMaxPieces, "too many pieces");
}

// Everything that is read, as one text, with what ended it.
std::string read_all_records(std::string_view bytes, std::size_t piece, const RecordRules& rules) {
  static Tokenizer tokenizer = Tokenizer::open(tiny_path());
  std::string seen;
  (void)accepts(kCodes, [&] {
    try {
      RecordRules known = rules;
      if (known.format == v1::DATA_FORMAT_UNSPECIFIED) {
        known.format = recognize_format(in_pieces(bytes, piece), "data.jsonl", known.fields);
      }
      if (known.format == v1::DATA_FORMAT_TEXT) return;
      RecordReader reader(in_pieces(bytes, piece), "data.jsonl", known);
      RecordEncoder encoder(tokenizer, kLimit);
      EncodedRecord encoded;
      for (Record record; reader.next(record);) {
        check(record);
        encoder.encode(record, encoded);
        require(encoded.ids.size() == encoded.learned.size() && encoded.ids.size() <= kLimit, "encoded otherwise");
        for (std::size_t i = 0; i < encoded.ids.size(); ++i) {
          seen += std::to_string(encoded.ids[i]) + (encoded.learned[i] ? "+" : " ");
        }
        seen += "line " + std::to_string(reader.line());
      }
    } catch (const Failure& failure) {
      seen += failure.code() + failure.what();
      throw;
    }
  });
  return seen;
}

void run(std::string_view bytes) {
  Input input(bytes);
  const unsigned char first = input.byte();
  const unsigned char second = input.byte();
  RecordRules rules;
  const int format = first % 8;
  if (format != v1::DATA_FORMAT_TEXT && v1::DataFormat_IsValid(format)) {
    rules.format = static_cast<v1::DataFormat>(format);
  }
  rules.learn_all = (first & 0x80) != 0;
  if (second % 4 != 3) rules.chat = chat_template(second % 2 != 0);
  rules.chat_refusal = "it has none";
  rules.id_limit = kIds;
  rules.max_ids = kLimit;
  const std::size_t piece = 1 + second / 4;
  require(read_all_records(input.rest(), piece, rules) == read_all_records(input.rest(), bytes.size(), rules),
          "pieces are read otherwise than the whole");
}

const Registration kTarget("records", run);

}  // namespace
}  // namespace mft::fuzz
