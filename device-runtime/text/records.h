// The records of a data file in JSON Lines, one after the other, each as what is to be tokenized: pieces of
// text, some of them learned, or ids. Which fields a record has, and what of it is learned, is said in
// docs/data.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mft/v1/run.pb.h"
#include "text/data_format.h"
#include "text/json_reader.h"
#include "text/line_source.h"

namespace mft {

// A text that is encoded by itself.
struct Piece {
  std::string text;
  bool learned = false;
};

// A conversation or list of segments of more pieces is refused.
inline constexpr std::size_t kMaxPieces = std::size_t{1} << 17;

struct Record {
  std::vector<Piece> pieces;
  bool begins = false;  // what the tokenizer puts before a text (BOS) stands before it
  bool ends = false;    // the end-of-sequence token stands behind it, learned
  // DATA_FORMAT_IDS has these in place of pieces.
  std::vector<std::int32_t> ids;
  std::vector<bool> learned;    // as many
  std::uint64_t all_ids = 0;    // those beyond RecordRules.max_ids, too
};

struct RecordRules {
  v1::DataFormat format = v1::DATA_FORMAT_UNSPECIFIED;  // not TEXT, not UNSPECIFIED
  FieldNames fields;
  std::optional<v1::ChatTemplate> chat;  // of DATA_FORMAT_MESSAGES
  std::string chat_refusal;              // why there is none
  bool learn_all = false;
  std::uint32_t id_limit = 0;  // ids are below it (the model's vocabulary)
  std::uint64_t max_ids = UINT64_MAX;  // of a record of ids: the first ones are kept
};

class RecordReader {
 public:
  // name: of the file, for messages. Failure data.chat-template: messages without a template.
  RecordReader(ByteReader read, std::string name, RecordRules rules);

  // The next record; false: there is none. Failure data.bad-record, data.not-utf8.
  bool next(Record& record);
  std::uint64_t line() const { return source_.line(); }  // of the record

 private:
  void read_fields(Record& record);
  void read_ids(Record& record);
  void read_segments(Record& record, const std::string& field);

  RecordRules rules_;
  LineSource source_;
  JsonReader json_;
};

// Appends text to the pieces: to the last one when that is learned as this. Failure by `json` when there are
// too many.
void append_piece(std::string_view text, bool learned, std::vector<Piece>& pieces, const JsonReader& json);

}  // namespace mft
